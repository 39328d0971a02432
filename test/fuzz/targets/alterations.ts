// Messages and transactions with something changed, by what the bytes of an input choose.
import type { Transaction } from "../../../src/core/bitcoin/index.ts";
import { decodePkt, encodePkt, type PktMessage } from "../../../src/core/wire/index.ts";
import { hashOf, secret } from "../../support/channel-pair.ts";
import type { Choices } from "../target.ts";

export const NUMBERS = [0, 1, 2, 3, 16, 143, 144, 300, 1_000, 65_535, 499_999_999, 0xffff_ffff];
export const BIG = [
  ...[0n, 1n, 2n, 3n, 546n, 1_000n, 999_999n, 1_000_000n, 400_000_000n],
  ...[0xffff_ffffn, 2_100_000_000_000_000n],
];

/** The message with some of its fields changed, as far as the decoder would let it pass. */
export function alteredMessage(message: PktMessage, choices: Choices): PktMessage | undefined {
  const fields = Object.entries(message).map(([name, value]): [string, unknown] => [
    name,
    name === "type" || choices.below(3) === 0 ? value : altered(value, choices),
  ]);
  let packet: Uint8Array;
  try {
    packet = encodePkt({ channelId: undefined, message: Object.fromEntries(fields) as PktMessage });
  } catch {
    // Nobody can write it.
    return undefined;
  }
  if (choices.below(4) === 0) {
    const at = choices.uint(2) % packet.length;
    packet[at] = (packet[at] ?? 0) ^ (1 << choices.below(8));
  }
  const decoded = decodePkt(packet);
  return decoded.ok && decoded.value.message.type !== "unknown_odd" ? decoded.value.message : undefined;
}

function altered(value: unknown, choices: Choices): unknown {
  switch (typeof value) {
    case "number":
      return choices.below(2) === 0 ? choices.pick(NUMBERS) : Math.max(0, value + choices.below(9) - 4);
    case "bigint":
      return choices.below(2) === 0 ? choices.pick(BIG) : value + BigInt(choices.below(9) - 4);
    case "boolean":
      return !value;
    case "object":
      if (value instanceof Uint8Array) return alteredBytes(value, choices);
      if (Array.isArray(value)) return choices.below(2) === 0 ? value.slice(1) : [...value, ...value].slice(0, 20);
      return value;
    default:
      return value;
  }
}

function alteredBytes(value: Uint8Array, choices: Choices): Uint8Array {
  const n = choices.below(8);
  if (n === 0) return value.slice(0, choices.below(value.length + 1));
  if (n < 3 && value.length === 32) return n === 1 ? secret(choices.below(8)) : hashOf(choices.below(8));
  const copy = value.slice();
  if (copy.length === 0) return copy;
  const at = choices.below(copy.length);
  copy[at] = n === 3 ? choices.byte() : (copy[at] ?? 0) ^ (1 << choices.below(8));
  return copy;
}

/** The transaction with other outputs, witnesses and locks. It spends what it did. */
export function alteredTransaction(transaction: Transaction, choices: Choices): Transaction {
  const number = (value: number): number => (choices.below(6) === 0 ? choices.uint(4) : value);
  const bytes = (value: Uint8Array): Uint8Array => (choices.below(5) === 0 ? alteredBytes(value, choices) : value);
  return {
    version: number(transaction.version),
    inputs: transaction.inputs.map((input) => ({
      ...input,
      sequence: number(input.sequence),
      witness: choices.below(6) === 0 ? [] : input.witness.map(bytes),
    })),
    outputs: transaction.outputs
      .filter(() => choices.below(8) !== 0)
      .map(({ amountSat, script }) => ({
        amountSat: choices.below(8) === 0 ? choices.pick(BIG) : amountSat,
        script: bytes(script),
      })),
    lockTime: number(transaction.lockTime),
  };
}
