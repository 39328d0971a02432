import { concatBytes, type Msat } from "../../src/core/base/index.ts";
import { decodePkt, decodeTransportMessage, encodePkt, encodeTransportMessage } from "../../src/core/wire/index.ts";
import {
  type MessageTap,
  pick,
  type RandomNumbers,
  randomNumbers,
  subSeed,
  type WorldNode,
} from "../../src/testing/index.ts";
import type { Market } from "./market.ts";

/** What is done to one message. */
type Trick = "twice" | "never" | "late" | "early" | "later" | "bit" | "field" | "acknowledge" | "packetTwice" | "order";

const TRICKS: readonly Trick[] = [
  "twice",
  "never",
  "late",
  "early",
  "later",
  "bit",
  "bit",
  "field",
  "field",
  "field",
  "acknowledge",
  "packetTwice",
  "order",
];

/** The cheater's next messages, or the one after a few, do not go out as they were made. */
export function tamper(market: Market, random: RandomNumbers): void {
  const { cheater, world } = market;
  if (cheater === undefined) return;
  let left = random(6);
  const trick = pick(random, TRICKS);
  const own = randomNumbers(random(0x1_0000_0000));
  /** A message that waits for the next one, to come after it. */
  let held: Uint8Array | undefined;
  const sending: MessageTap["sending"] = (_, message, send) => {
    const copy = message.slice();
    if (held !== undefined) {
      const late = held;
      held = undefined;
      return [copy, late];
    }
    if (left-- !== 0) return [copy];
    world.trace.note(`${cheater.name} tampers: ${trick}`);
    switch (trick) {
      case "twice":
        return [copy, copy];
      case "never":
        return [];
      case "late":
        held = copy;
        return [];
      case "later":
        world.clock.after(own(5_000), () => send(copy));
        return [];
      case "early":
        // What it will say anyway, said again before its time: the digest of the whole stream follows.
        world.clock.after(0, () => send(copy));
        return [copy];
      case "bit":
        return [flipped(copy, own)];
      default:
        return [changed(copy, trick, own)];
    }
  };
  cheater.tap = { ...cheater.tap, sending };
}

/** The cheater reads, and says nothing any more, or only to the first so many messages. */
export function swallow(market: Market, random: RandomNumbers): void {
  const { cheater } = market;
  if (cheater === undefined) return;
  let left = random(20);
  cheater.tap = { ...cheater.tap, sending: (_, message) => (left-- > 0 ? [message.slice()] : []) };
}

/**
 * Over each of its channels the cheater pays and is paid, and from some message on it says nothing: from the first preimage that it hears,
 * from the first that it would tell, or after a few messages. HTLCs stay wherever they are then.
 */
export async function lastWords(market: Market, cheater: WorldNode): Promise<void> {
  const { world, setting } = market;
  const random = randomNumbers(subSeed(setting.seed, "last words"));
  await market.revive();
  await world.advance(10_000);
  const until = pick(random, ["heard", "told", "counted"]);
  let left = until === "counted" ? random(16) : Number.POSITIVE_INFINITY;
  cheater.tap = {
    sending: (_, message) => {
      if (until === "told" && tellsPreimage(message)) left = 0;
      return left-- > 0 ? [message.slice()] : [];
    },
    receiving: (_, message) => {
      if (until === "heard" && tellsPreimage(message)) left = 0;
      return true;
    },
  };
  for (const seat of market.openSeats()) {
    // Not always both ways: what one side may lose by waiting ends the channel for what the other has in it too.
    if (!market.isOfCheater(seat) || random(3) === 0) continue;
    const amount = pick(random, [5_000_000n, 20_000_999n, 60_000_000n]) as Msat;
    market.payInvoice(seat, { amount, paid: amount, expiry: market.expiry(random, seat), twice: false });
  }
  await world.advance(3_000);
}

function tellsPreimage(message: Uint8Array): boolean {
  const decoded = decodeTransportMessage(message);
  if (!decoded.ok) return false;
  return decoded.value.packets.some((packet) => {
    const read = decodePkt(packet);
    return read.ok && /^(update_fulfill_htlc|settle_request)$/.test(read.value.message.type);
  });
}

function flipped(message: Uint8Array, random: RandomNumbers): Uint8Array {
  const at = random(message.length);
  message[at] = (message[at] ?? 0) ^ (1 << random(8));
  return message;
}

/** The message as it was where it can't be changed in this way. */
function changed(message: Uint8Array, trick: Trick, random: RandomNumbers): Uint8Array {
  const decoded = decodeTransportMessage(message);
  if (!decoded.ok) return message;
  const { acknowledge, packets } = decoded.value;
  if (trick === "acknowledge") {
    const wrong = Math.max(0, acknowledge + pick(random, [-1, 1, 2, 1_000, -acknowledge]));
    return encodeTransportMessage(wrong, packets);
  }
  if (trick === "packetTwice") {
    const one = pick(random, packets);
    return encodeTransportMessage(acknowledge, [...packets, one]);
  }
  if (trick === "order") return encodeTransportMessage(acknowledge, packets.toReversed());
  const at = random(packets.length);
  const altered = packets.map((packet, index) => (index === at ? otherField(packet, random) : packet));
  return encodeTransportMessage(acknowledge, altered);
}

/** The packet with one field another: a number a little or much off, bytes that are longer, shorter or others. */
function otherField(packet: Uint8Array, random: RandomNumbers): Uint8Array {
  const decoded = decodePkt(packet);
  if (!decoded.ok || decoded.value.message.type === "unknown_odd") return packet;
  const { channelId, message: said } = decoded.value;
  const fields = Object.entries(said).filter(([field, value]) => field !== "type" && value !== undefined);
  if (fields.length === 0) return packet;
  const [name, value] = pick(random, fields);
  const message = { ...said, [name]: otherValue(value, random) };
  try {
    return encodePkt({ channelId, message });
  } catch {
    // The encoder's own checks: such a value can't be said.
    return packet;
  }
}

function otherValue(value: unknown, random: RandomNumbers): unknown {
  if (typeof value === "number") return Math.max(0, pick(random, [value + 1, value - 1, value * 2, 0, 0xffff_ffff]));
  if (typeof value === "bigint") {
    const off = pick(random, [value + 1n, value - 1n, value + 2n, value * 2n, 0n]);
    return off < 0n ? 0n : off;
  }
  if (value instanceof Uint8Array) {
    const kind = random(4);
    if (kind === 0 || value.length === 0) return concatBytes(value, Uint8Array.of(random(256)));
    return kind === 1 ? value.slice(0, -1) : flipped(value.slice(), random);
  }
  if (Array.isArray(value)) return random(2) === 0 ? [...value, ...value] : value.slice(1);
  return value;
}
