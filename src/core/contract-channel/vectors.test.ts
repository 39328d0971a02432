import { resolve } from "node:path";
import { expect, it } from "vitest";
import { ledgerVectors } from "../../../test/support/ledger-vectors.ts";

it("what is signed has the bytes that it has always had", async () => {
  const text = `${JSON.stringify(ledgerVectors(), undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot(resolve("test/vectors/ledger/signed-bytes.json"));
});
