import type { ChannelId, Result } from "../base/index.ts";
import { asChannelId, ok } from "../base/index.ts";
import { type LedgerDomain, taggedDigest } from "./actions.ts";
import { decodeFields, type FieldReader, type FieldWriter, fieldWriter, type Malformed } from "./fields.ts";
import type { Pair } from "./parties.ts";
import type { Units } from "./units.ts";

/** What both parties sign: one state of a channel. Source: seed 003, "State update". */
export type StateHeader = {
  readonly channelId: ChannelId;
  /** Strictly increasing. AC-14. */
  readonly round: bigint;
  readonly balances: Pair<Units>;
  /** Everything that each has put in since the opening, that included, as this state knows it. */
  readonly deposited: Pair<Units>;
  /** Everything that each has taken out since the opening, as this state knows it. */
  readonly withdrawn: Pair<Units>;
  /** The stakes of all contracts. */
  readonly locked: Units;
  /** Root of the tree of contracts, 32 bytes. */
  readonly root: Uint8Array;
};

export const HEADER_BYTES = 128;

function writePair(fields: FieldWriter, pair: Pair<Units>): void {
  fields.wide(pair.initiator).wide(pair.responder);
}

export function writeHeader(fields: FieldWriter, header: StateHeader): void {
  fields.bytes(header.channelId, 32).wide(header.round);
  writePair(fields, header.balances);
  writePair(fields, header.deposited);
  writePair(fields, header.withdrawn);
  fields.wide(header.locked).bytes(header.root, 32);
}

function readPair(fields: FieldReader, what: string): Pair<Units> {
  return { initiator: fields.units(what), responder: fields.units(what) };
}

/** Rounds end far below what fits, so that steps forced from any of them can be counted. */
const ROUNDS = 2n ** 62n;

export function readRound(fields: FieldReader): bigint {
  const round = fields.wide("round");
  return round < ROUNDS ? round : fields.fail("round");
}

export function readHeader(fields: FieldReader): StateHeader {
  return {
    channelId: asChannelId(fields.bytes(32, "channel id")),
    round: readRound(fields),
    balances: readPair(fields, "balances"),
    deposited: readPair(fields, "deposits"),
    withdrawn: readPair(fields, "withdrawals"),
    locked: fields.units("locked sum"),
    root: fields.bytes(32, "root of the contracts"),
  };
}

/** 128 bytes. */
export function encodeHeader(header: StateHeader): Uint8Array {
  const fields = fieldWriter();
  writeHeader(fields, header);
  return fields.done();
}

export function decodeHeader(bytes: Uint8Array): Result<StateHeader, Malformed> {
  return decodeFields(bytes, readHeader);
}

/** The state's hash: what both parties sign, and what the ledger records. 32 bytes. */
export function stateHash(domain: LedgerDomain, header: StateHeader): Uint8Array {
  return taggedDigest("state", domain, (fields) => writeHeader(fields, header));
}

/** Sums of a header that are not what they must be. */
export type BadSums =
  | { readonly type: "sum_wrong"; readonly expected: bigint; readonly actual: bigint }
  | { readonly type: "deposits_too_large"; readonly limit: bigint; readonly actual: bigint };

export function total(pair: Pair<bigint>): bigint {
  return pair.initiator + pair.responder;
}

/** A header holds what was put in and not taken out, to the unit; its deposits sum below 2^63. */
export function checkSums(header: StateHeader): Result<undefined, BadSums> {
  const actual = total(header.balances) + header.locked;
  const deposited = total(header.deposited);
  const limit = 2n ** 63n;
  if (deposited >= limit) return { ok: false, error: { type: "deposits_too_large", limit, actual: deposited } };
  const expected = deposited - total(header.withdrawn);
  return actual === expected ? ok(undefined) : { ok: false, error: { type: "sum_wrong", expected, actual } };
}

/** What the ledger has counted of a channel: the truth that a header's own counts are measured against. */
export type Flows = { readonly deposited: Pair<Units>; readonly withdrawn: Pair<Units> };

/**
 * What each party gets of a state, contracts aside: its balance, what it has put in since, less what it has taken out since. May be negative,
 * and such a state is refused, never clamped. So nobody loses a deposit by a state that does not know of it.
 */
export function payouts(header: StateHeader, flows: Flows): Pair<bigint> {
  const one = (party: "initiator" | "responder"): bigint =>
    header.balances[party] +
    (flows.deposited[party] - header.deposited[party]) -
    (flows.withdrawn[party] - header.withdrawn[party]);
  return { initiator: one("initiator"), responder: one("responder") };
}
