import { asChannelId, type ChannelId, err, invariant, ok, type Result } from "../base/index.ts";
import { MAX_PACKET_BYTES } from "./limits.ts";
import type { Pkt, ReceivedPkt } from "./messages.ts";
import { PKT_FAMILY } from "./packet-family.ts";
import { decodeGenerated } from "./pkt-from-wire.ts";
import { decodeHot, encodeHot } from "./pkt-hot-path.ts";
import { encodeGenerated } from "./pkt-to-wire.ts";
import { LENGTH_DELIMITED, readRawField } from "./protobuf-scan.ts";
import type { WireError } from "./wire-error.ts";

/**
 * The packet of a message: family byte 0, then protobuf. The same message always gives the same bytes, and only fields of
 * the `.proto` file are written (B2-3). A value that doesn't fit its field throws InvariantBroken, but for the text of an
 * `error`, which is cut. Spec: B2-1; seed 001 section 1.1.
 */
export function encodePkt(pkt: Pkt): Uint8Array {
  const packet = encodeHot(pkt) ?? encodeGenerated(pkt);
  invariant(packet.length <= MAX_PACKET_BYTES, `a packet has at most ${MAX_PACKET_BYTES} bytes, got ${packet.length}`);
  return packet;
}

/**
 * Reads a packet of family 0. Unknown odd fields are ignored wherever they stand; an unknown odd member gives
 * `unknown_odd`, which is counted and ignored. Never throws; time and memory are linear in the bytes, of which at most
 * 65,000 are looked at. Spec: B2-1, B2-2, B2-8, B2-10, B2-57.
 */
export function decodePkt(packet: Uint8Array): Result<ReceivedPkt, WireError> {
  const actual = packet.length;
  if (actual > MAX_PACKET_BYTES) return err({ type: "packet_too_long", limit: MAX_PACKET_BYTES, actual });
  if (packet[0] !== PKT_FAMILY) return err({ type: "undecodable" });
  const hot = decodeHot(packet);
  return hot === undefined ? decodeGenerated(packet.subarray(1)) : ok(hot);
}

/**
 * The channel that a refused packet names, so that only that channel fails; undefined where it names none that can be
 * read, and then every channel with the peer fails.
 */
export function namedChannel(packet: Uint8Array): ChannelId | undefined {
  const cursor = { bytes: packet, at: 1, end: packet.length };
  if (packet[0] !== PKT_FAMILY || packet.length > MAX_PACKET_BYTES) return undefined;
  let named: ChannelId | undefined;
  while (cursor.at < cursor.end) {
    const raw = readRawField(cursor);
    if (raw === undefined) return undefined;
    if (raw.number !== CHANNEL_ID_FIELD) continue;
    const wellFormed = raw.wireType === LENGTH_DELIMITED && raw.end - raw.start === 32;
    if (!wellFormed || named !== undefined) return undefined;
    named = asChannelId(packet.slice(raw.start, raw.end));
  }
  return named;
}

const CHANNEL_ID_FIELD = 101;
