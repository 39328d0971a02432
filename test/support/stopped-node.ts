import { openSqliteStore } from "../../src/adapters/store-sqlite/index.ts";
import { systemRandom } from "../../src/adapters/system/index.ts";
import { openSeed } from "../../src/node/data-directory.ts";
import { ChannelPair, rowsOf } from "./channel-pair.ts";

/** Makes a data directory with one open channel, number 7, as a node that was stopped leaves it. */
export async function stoppedNode(directory: string): Promise<void> {
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
