import { type ChannelId, equalBytes, type NodeId } from "../core/base/index.ts";
import type { DamagedChannel } from "../ports/store.ts";

/** Channels that can't be taken up: they are shown, nothing runs them, and the node goes on with the others. */
export class DamagedChannels {
  private readonly found: DamagedChannel[] = [];

  add(damaged: DamagedChannel): void {
    this.found.push(damaged);
  }

  all(): readonly DamagedChannel[] {
    return this.found;
  }

  numbered(channel: number): DamagedChannel | undefined {
    return this.found.find((damaged) => damaged.channel === channel);
  }

  /** Whether there is one with the peer, which expects the stream of packets with it to go on. */
  isWith(nodeId: NodeId): boolean {
    return this.found.some(({ peer }) => peer !== undefined && equalBytes(peer, nodeId));
  }

  has(id: ChannelId, nodeId: NodeId): boolean {
    return this.found.some(
      ({ channelId, peer }) =>
        channelId !== undefined && equalBytes(channelId, id) && peer !== undefined && equalBytes(peer, nodeId),
    );
  }
}
