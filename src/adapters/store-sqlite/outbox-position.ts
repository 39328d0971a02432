import { invariant } from "../../core/base/index.ts";

const NUMBER_BITS = 43n;
const NUMBER_LIMIT = 2 ** 43;
const PEER_LIMIT = 2 ** 20;

/**
 * Where a packet stands in the outbox table: peers one after the other, packets in order. A million peers, and 2^43
 * packets for each, fit: at 20,000 packets a second that is 14 years without a pause.
 */
export function outboxPosition(peer: number, number: number): bigint {
  invariant(peer >= 0 && peer < PEER_LIMIT && number >= 0 && number < NUMBER_LIMIT, "the outbox holds this packet");
  return (BigInt(peer) << NUMBER_BITS) | BigInt(number);
}

export function outboxPlace(position: bigint): { readonly peer: number; readonly number: number } {
  return { peer: Number(position >> NUMBER_BITS), number: Number(BigInt.asUintN(43, position)) };
}
