// The plaintext of every connection, with the store that a node has in life: see WireTap for what is checked of each message.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { everyCrash, everyCut } from "../support/flow-enumeration.ts";
import { FLOWS } from "../support/flows.ts";
import { sqliteTestStore } from "../support/sqlite-test-store.ts";

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);

const BUSY = FLOWS.filter(({ name }) => /both ways at once|pending on both sides|single funder/.test(name));

let folder: string;
let made = 0;
const options = {
  newStore: (name: string) => {
    const directory = join(folder, `${made++}-${name}`);
    mkdirSync(directory);
    return sqliteTestStore(directory);
  },
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-retransmission-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(BUSY)("on SQLite: $name", (flow) => {
  it("[B2-5] [B2-6] sends the same bytes under a number, with the acknowledge of then, after every cut", async () => {
    const { packets, transmissions } = await everyCut(flow, "nothing", options);
    expect(transmissions).toBeGreaterThan(packets);
  });

  it.each(["alice", "bob"] as const)(
    "[B2-5] [B2-6] [LW-5] and in every next life of %s, which counts what the last one had processed",
    async (name) => {
      const { runs, packets, transmissions } = await everyCrash(flow, name, true, options);
      expect(runs).toBeGreaterThan(5);
      expect(transmissions).toBeGreaterThanOrEqual(packets);
    },
  );
});
