import { resolutionSuite } from "../support/resolution-suite.ts";

resolutionSuite(
  [
    ["alice", false],
    ["alice", true],
    ["bob", false],
    ["bob", true],
  ],
  () => undefined,
);
