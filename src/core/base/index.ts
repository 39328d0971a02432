export { floorToSat, MAX_SATOSHI, type Msat, msat, type Satoshi, sat, toMsat } from "./amounts.ts";
export {
  asChannelId,
  asNodeId,
  asPaymentHash,
  asTxid,
  type ChannelId,
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  type NodeId,
  type PaymentHash,
  type Txid,
  toHex,
  txidFromDisplay,
  txidToDisplay,
} from "./bytes.ts";
export { assertNever, InvariantBroken, invariant } from "./invariant.ts";
export { err, ok, type Result } from "./result.ts";
