import { afterAll, beforeAll, describe } from "vitest";
import { type Bitcoind, findBitcoind, SILENT, startBitcoind } from "../support/bitcoind.ts";
import { BlockingBitcoind } from "../support/bitcoind-blocking.ts";
import { resolutionSuite } from "../support/resolution-suite.ts";

describe.skipIf(findBitcoind() === undefined)("what becomes of a channel's outputs on a real Bitcoin node", () => {
  let bitcoind: Bitcoind;
  let chain: BlockingBitcoind;

  beforeAll(async () => {
    bitcoind = await startBitcoind([SILENT]);
    await bitcoind.mine(150);
    chain = new BlockingBitcoind(bitcoind);
  });
  afterAll(async () => {
    await chain?.stop();
    await bitcoind?.stop();
  });

  resolutionSuite(
    [
      ["alice", false],
      ["bob", true],
    ],
    () => chain,
  );
});
