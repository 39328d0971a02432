import assert from "node:assert/strict";
import { InvalidArgumentError } from "commander";
import {
  readAddress,
  readNatural,
  readPeer,
  readPort,
  readSeconds,
  readUrl,
  writtenAddress,
} from "../../../src/cli/values.ts";
import { bytesOf, type Outcome, type Target, textOf, throwsOnly, words } from "../target.ts";

/** The values of options: read, or refused in the way that the command line knows. */
function values(input: Uint8Array): Outcome {
  const text = textOf(input);
  const outcomes = [
    throwsOnly(() => {
      const address = readAddress(text);
      assert.deepEqual(readAddress(writtenAddress(address)), address);
    }, InvalidArgumentError),
    throwsOnly(() => assert.equal(readPeer(text).nodeId.length, 33), InvalidArgumentError),
    throwsOnly(() => assert.ok(readPort(text) >= 0 && readPort(text) <= 65_535), InvalidArgumentError),
    throwsOnly(() => assert.ok(!readUrl(text).includes("@") || !new URL(readUrl(text)).username), InvalidArgumentError),
    throwsOnly(() => assert.ok(readNatural(1)(text) >= 1), InvalidArgumentError),
    throwsOnly(() => assert.ok(readSeconds(text) >= 10), InvalidArgumentError),
  ];
  return outcomes.join(" ");
}

export const SETTINGS: readonly Target[] = [
  {
    name: "option-values",
    about: "addresses, ports, URLs and numbers of the command line",
    seeds: () =>
      [
        "127.0.0.1:9745",
        "[::1]:80",
        ":9745",
        "http://127.0.0.1:18443",
        "0.5",
        "17",
        `02${"ab".repeat(32)}@127.0.0.1:9745`,
      ].map(bytesOf),
    dictionary: words("http://", "https://", ":", "[", "]", "@", "::1", "65536", "1e3"),
    longest: 100,
    run: values,
  },
];
