import { err, type NodeId, ok, type Result } from "../core/base/index.ts";
import {
  decodeKeptCopy,
  decodeTransportMessage,
  encodeAskCopy,
  encodeTransportMessage,
  packetFamily,
} from "../core/wire/index.ts";
import type { Clock } from "../ports/clock.ts";
import { type PeerAddress, type Transport, TransportError } from "../ports/transport.ts";
import type { Backup } from "./backup.ts";
import { openCopy } from "./copy.ts";

const TIMEOUT_MS = 30_000;

export type FetchError =
  | { readonly type: "peer_unreachable"; readonly reason: string }
  /** It ended the connection, or said nothing for half a minute. */
  | { readonly type: "peer_silent" }
  | { readonly type: "no_copy" }
  /** What it gave is not a copy that was made with this seed phrase. */
  | { readonly type: "copy_unusable" };

/**
 * Asks a peer for the copy that it keeps for us, and says nothing else: without an authenticate, the peer does not take us for a node that
 * has lost its channels, and closes none. `transport` is made for the key of the node whose copy it is.
 */
export async function fetchCopy(options: {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly peer: NodeId;
  readonly address: PeerAddress;
  readonly seed: Uint8Array;
}): Promise<Result<Backup, FetchError>> {
  const { transport, clock, peer, address, seed } = options;
  let answer: (copy: Uint8Array | undefined) => void = () => {};
  const answered = new Promise<Uint8Array | undefined>((resolve) => {
    answer = resolve;
  });
  const cancel = clock.after(TIMEOUT_MS, () => answer(undefined));
  try {
    const connection = await transport.connect(peer, address, () => ({
      onMessage: (_, message) => {
        const copy = keptIn(message);
        if (copy !== undefined) answer(copy);
      },
      onEnd: () => answer(undefined),
    }));
    connection.send(encodeTransportMessage(0, [encodeAskCopy()]));
    const bytes = await answered;
    connection.close();
    if (bytes === undefined) return err({ type: "peer_silent" });
    if (bytes.length === 0) return err({ type: "no_copy" });
    const copy = openCopy(bytes, seed);
    return copy === undefined ? err({ type: "copy_unusable" }) : ok(located(copy, peer, address));
  } catch (cause) {
    if (cause instanceof TransportError) return err({ type: "peer_unreachable", reason: cause.message });
    throw cause;
  } finally {
    cancel();
  }
}

/** The copy in a message of the peer's, which has its authenticate and more besides; undefined where there is none. */
function keptIn(message: Uint8Array): Uint8Array | undefined {
  const decoded = decodeTransportMessage(message);
  if (!decoded.ok) return undefined;
  for (const packet of decoded.value.packets) {
    const family = packet.length === 0 ? undefined : packetFamily(packet);
    if (family?.ok !== true || family.value !== "kept_copy") continue;
    const copy = decodeKeptCopy(packet);
    if (copy.ok) return copy.value;
  }
  return undefined;
}

/** Where the peer was found is where it is, whatever the copy says. */
function located(copy: Backup, peer: NodeId, address: PeerAddress): Backup {
  const is = (nodeId: NodeId) => nodeId.every((byte, at) => byte === peer[at]);
  return { ...copy, peers: copy.peers.map((row) => (is(row.nodeId) ? { ...row, address } : row)) };
}
