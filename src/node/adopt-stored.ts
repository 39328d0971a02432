import { equalBytes, invariant } from "../core/base/index.ts";
import type { Signer } from "../core/crypto/index.ts";
import { type ChannelRows, load as loadChannel, ownRevocationHash } from "../core/payment-channel/index.ts";
import type { StoredNode } from "../ports/store.ts";
import type { Channels } from "./channels.ts";
import type { Peers } from "./peers.ts";

type Adopting = { readonly peers: Peers; readonly channels: Channels; readonly signer: Signer };

/** Takes up peers and channels as they were stored. A channel whose rows make no state is damaged, and the others go on. */
export function adoptStored(stored: StoredNode, adopting: Adopting): void {
  const { peers, channels } = adopting;
  for (const peer of stored.peers) {
    const stream = stored.streams.find((row) => row.peer === peer.index);
    const outbox = stored.outbox.filter((row) => row.peer === peer.index);
    peers.adopt(peer, stream, outbox);
  }
  for (const damaged of stored.damaged) channels.adoptDamaged(damaged);
  for (const [place, rows] of stored.channels.entries()) {
    try {
      adoptChannel(rows, stored.records[place], adopting);
    } catch (cause) {
      const { index: channel, peer } = rows.channel;
      const problem = cause instanceof Error ? cause.message : String(cause);
      channels.adoptDamaged({ channel, channelId: rows.id, peer, stale: rows.stage.stale, problem });
    }
  }
}

function adoptChannel(
  rows: ChannelRows,
  record: StoredNode["records"][number] | undefined,
  { peers, channels, signer }: Adopting,
): void {
  const session = peers.all().find(({ nodeId }) => equalBytes(nodeId, rows.channel.peer));
  invariant(session !== undefined, "the peer of a channel is stored");
  const ownHash = (number: number) => ownRevocationHash({ signer }, rows.channel.index, number);
  const state = loadChannel(rows, session.packetAcknowledge, ownHash);
  channels.adopt(state, session, record);
}
