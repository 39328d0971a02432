import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ChannelPair, rowsOf } from "../../test/support/channel-pair.ts";
import { openSqliteStore } from "../adapters/store-sqlite/index.ts";
import { systemRandom } from "../adapters/system/index.ts";
import { openSeed } from "./data-directory.ts";
import { explainStopped } from "./explain-stopped.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-explain-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A store with one open channel, as a node that was stopped leaves it. */
async function stopped(): Promise<void> {
  const { alice } = new ChannelPair().open({ pushMsat: 300_000_000n });
  const store = await openSqliteStore({ directory });
  const { channel, peer } = { channel: alice.channel.channel.index, peer: rowsOf(alice.channel).channel.peer };
  await store.commit({
    sequence: 1,
    changes: [
      { type: "peer", row: { index: 0, nodeId: peer, address: undefined } },
      { type: "channel_index", next: channel + 1 },
      ...alice.changes.map((change) => ({ type: "channel" as const, channel, change })),
      { type: "channel", channel, change: { type: "totals", row: alice.channel.totals } },
      { type: "block", row: { height: 120, hash: new Uint8Array(32) } },
    ],
  });
  await store.close();
  openSeed(directory, true, systemRandom());
}

describe("explaining a stopped node", () => {
  it("says what the store knows, as of its last block, and leaves everything as it was", async () => {
    await stopped();
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
    await stopped();
    const running = await openSqliteStore({ directory });
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toMatchObject({ code: "locked" });
    await running.close();
  });

  it("makes nothing where there is no node, or no phrase", async () => {
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("does not exist");
    expect(readdirSync(directory)).toEqual([]);
    await stopped();
    rmSync(join(directory, "seed-phrase"));
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("seed-phrase is missing");
    writeFileSync(join(directory, "seed-phrase"), "abandon abandon");
    await expect(explainStopped({ directory, feeRate: 3_000 })).rejects.toThrow("not a seed phrase");
  });
});
