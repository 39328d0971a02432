import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stoppedNode } from "../../test/support/stopped-node.ts";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { explainStopped } from "./explain-stopped.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-explain-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("explaining a stopped node", () => {
  it("says what the store knows, as of its last block, and leaves everything as it was", async () => {
    await stoppedNode(directory);
    const before = readFileSync(join(directory, "sluice.db"));
    const found = await explainStopped({ directory, feeRate: 3_000 });
    expect(found.channels).toMatchObject([
      { channel: 7, stage: "open", height: 120, localMsat: 700_000_000n, remoteMsat: 300_000_000n },
    ]);
    expect(found.channels[0]?.stuck.map(({ type }) => type)).toEqual(["catching_up", "peer_away"]);
    expect(found.channels[0]?.forceClose?.toSelfFrom).toBe(120 + 1 + 144);
    expect(readFileSync(join(directory, "sluice.db"))).toEqual(before);
    expect(readdirSync(directory).sort()).toEqual(["seed-phrase", "sluice.db"]);
  });

  it("is refused while the node runs", async () => {
    await stoppedNode(directory);
    const running = await openSqliteStore({ directory });
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toMatchObject({ code: "locked" });
    await running.close();
  });

  it("makes nothing where there is no node, or no phrase", async () => {
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("does not exist");
    expect(readdirSync(directory)).toEqual([]);
    await stoppedNode(directory);
    rmSync(join(directory, "seed-phrase"));
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("seed-phrase is missing");
    writeFileSync(join(directory, "seed-phrase"), "abandon abandon");
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("not a seed phrase");
  });
});
