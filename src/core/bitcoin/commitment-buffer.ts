// The signature hash of a commitment, which is all that an update needs, without building the transaction.
//
// Each commitment has a new revocation hash, and that stands in the script of every HTLC: nothing that was hashed before can be used
// again. What can be kept is the script of each HTLC, in which 20 bytes are then replaced. The buffer keeps these, and nothing else
// depends on it: with and without it the hash is the same.
import { compareBytes, equalBytes, invariant } from "../base/index.ts";
import { hash160, hash256, ripemd160, sha256 } from "../crypto/index.ts";
import {
  htlcOfferedScript,
  htlcReceivedScript,
  PAYMENT_OFFSET,
  REVOCATION_OFFSET,
  toSelfScript,
} from "./channel-scripts.ts";
import {
  type CommitmentHtlc,
  type CommitmentParams,
  checkConserved,
  commitmentBalances,
  commitmentTransaction,
} from "./commitment.ts";
import { numberLocks } from "./commitment-number.ts";
import { DUST_LIMIT_SAT, isDust } from "./fee.ts";
import { hashPrevouts, hashSequence, hashWitnessV0, SIGHASH_ALL, sighashAll } from "./sighash.ts";

export type Commitment = {
  /** What both commit keys sign. 32 bytes. */
  readonly sighash: Uint8Array;
  /** The fee by the rule; dust and parts of a satoshi come on top of it. Spec: B2-30, B2-53. */
  readonly feeSat: bigint;
};

/** An output while a commitment is built. Scripts are ordered by length first since `0x00 0x14` is less than `0x00 0x20`. */
type Output = {
  /** As a number: it fits, and numbers compare fast. */
  readonly amountSat: number;
  /** The witness program: 20 or 32 bytes. */
  program: Uint8Array;
  /** Its first four bytes, which nearly always decide; -1 for the shorter one. */
  head: number;
};

type Template = Output & {
  readonly amountMsat: bigint;
  readonly paymentHash: Uint8Array;
  readonly expiry: number;
  readonly script: Uint8Array;
  readonly revocationAt: number;
  /** The build in which it was last used. */
  usedIn: number;
};

type Draft = { readonly expiry: number; readonly script: Uint8Array };

/** Scripts of one holder's commitments in one channel. */
type Family = {
  readonly ownFinalKey: Uint8Array;
  readonly othFinalKey: Uint8Array;
  readonly delay: number;
  readonly offered: Map<bigint, Template>;
  readonly received: Map<bigint, Template>;
  /** The script of an HTLC of either direction, but for its payment hash. HTLCs that come together expire together. */
  readonly drafts: { offered: Draft | undefined; received: Draft | undefined };
  readonly toSelf: Uint8Array;
  readonly toOther: Uint8Array;
  builds: number;
};

/** Belongs to one channel and serves the commitments of both sides. Opaque; made by `createCommitmentBuffer`. */
export type CommitmentBuffer = { families: Family[]; outputs: Uint8Array<ArrayBuffer> };

/** One for each side. */
const MAX_FAMILIES = 2;
/** Amount, script length, script of a P2WSH output. */
const MAX_OUTPUT_BYTES = 8 + 1 + 34;
const NOTHING_YET = new Uint8Array(20);
/** Templates kept although unused, before they are looked through: saves doing so in each build of a small commitment. */
const SPARE_TEMPLATES = 64;

export function createCommitmentBuffer(): CommitmentBuffer {
  return { families: [], outputs: new Uint8Array(0) };
}

function familyOf(buffer: CommitmentBuffer, { ownFinalKey, othFinalKey, delay }: CommitmentParams): Family {
  const known = buffer.families.find(
    (family) =>
      family.delay === delay &&
      equalBytes(family.ownFinalKey, ownFinalKey) &&
      equalBytes(family.othFinalKey, othFinalKey),
  );
  if (known !== undefined) return known;
  const family: Family = {
    ownFinalKey: ownFinalKey.slice(),
    othFinalKey: othFinalKey.slice(),
    delay,
    offered: new Map(),
    received: new Map(),
    drafts: { offered: undefined, received: undefined },
    toSelf: toSelfScript({ revocation: NOTHING_YET, ownFinalKey, othFinalKey, delay }),
    toOther: hash160(othFinalKey),
    builds: 0,
  };
  buffer.families = [family, ...buffer.families].slice(0, MAX_FAMILIES);
  return family;
}

function draftOf(family: Family, { direction, expiry }: CommitmentHtlc): Draft {
  const known = family.drafts[direction];
  if (known?.expiry === expiry) return known;
  const terms = { ...family, revocation: NOTHING_YET, payment: NOTHING_YET, expiry };
  const script = direction === "offered" ? htlcOfferedScript(terms) : htlcReceivedScript(terms);
  family.drafts[direction] = { expiry, script };
  return { expiry, script };
}

function newTemplate(family: Family, htlc: CommitmentHtlc): Template {
  const { amountMsat, expiry, direction } = htlc;
  const script = draftOf(family, htlc).script.slice();
  script.set(ripemd160(htlc.paymentHash), PAYMENT_OFFSET);
  return {
    amountMsat,
    amountSat: Number(amountMsat / 1000n),
    expiry,
    paymentHash: htlc.paymentHash.slice(),
    script,
    revocationAt: direction === "offered" ? REVOCATION_OFFSET.offered : REVOCATION_OFFSET.received(family.delay),
    usedIn: 0,
    program: NOTHING_YET,
    head: 0,
  };
}

/** The script kept for an HTLC, where it is truly the same one: an id alone proves nothing. */
function templateOf(family: Family, htlc: CommitmentHtlc): Template {
  const templates = family[htlc.direction];
  const known = templates.get(htlc.id);
  if (
    known !== undefined &&
    known.amountMsat === htlc.amountMsat &&
    known.expiry === htlc.expiry &&
    equalBytes(known.paymentHash, htlc.paymentHash)
  ) {
    return known;
  }
  const made = newTemplate(family, htlc);
  templates.set(htlc.id, made);
  return made;
}

function headOf(program: Uint8Array): number {
  return (((program[0] ?? 0) << 24) | ((program[1] ?? 0) << 16) | ((program[2] ?? 0) << 8) | (program[3] ?? 0)) >>> 0;
}

/** BIP 69. Equal outputs are equal in every byte, so that for a hash their order is all the same. */
function compare(a: Output, b: Output): number {
  return a.amountSat - b.amountSat || a.head - b.head || compareBytes(a.program, b.program);
}

/** Forgets templates of HTLCs that are gone. */
function sweep(family: Family, templates: Map<bigint, Template>, inUse: number): void {
  if (templates.size <= 2 * inUse + SPARE_TEMPLATES) return;
  for (const [id, template] of templates) if (template.usedIn !== family.builds) templates.delete(id);
}

function patchedProgram(script: Uint8Array, revocation: Uint8Array, at: number): Uint8Array {
  script.set(revocation, at);
  return sha256(script);
}

/** The HTLC outputs, hashed with this commitment's revocation hash. */
function htlcOutputs(family: Family, params: CommitmentParams, revocation: Uint8Array): Output[] {
  const outputs: Output[] = [];
  const dustLimit = Number(DUST_LIMIT_SAT);
  family.builds++;
  for (const htlc of params.htlcs) {
    const template = templateOf(family, htlc);
    template.usedIn = family.builds;
    if (template.amountSat < dustLimit) continue;
    template.program = patchedProgram(template.script, revocation, template.revocationAt);
    template.head = headOf(template.program);
    outputs.push(template);
  }
  sweep(family, family.offered, params.htlcs.length);
  sweep(family, family.received, params.htlcs.length);
  return outputs;
}

function serialized(buffer: CommitmentBuffer, outputs: readonly Output[]): Uint8Array {
  const most = outputs.length * MAX_OUTPUT_BYTES;
  if (buffer.outputs.length < most) buffer.outputs = new Uint8Array(2 * most);
  const bytes = buffer.outputs;
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { amountSat, program } of outputs) {
    view.setUint32(at, amountSat >>> 0, true);
    view.setUint32(at + 4, Math.floor(amountSat / 2 ** 32), true);
    view.setUint8(at + 8, program.length + 2);
    view.setUint8(at + 9, 0);
    view.setUint8(at + 10, program.length);
    bytes.set(program, at + 11);
    at += 11 + program.length;
  }
  return bytes.subarray(0, at);
}

function buildWith(buffer: CommitmentBuffer, params: CommitmentParams): Commitment {
  checkConserved(params);
  const family = familyOf(buffer, params);
  const revocation = ripemd160(params.revocationHash);
  const outputs = htlcOutputs(family, params, revocation);
  const { feeSat, ownSat, othSat } = commitmentBalances(params, outputs.length);
  if (!isDust(ownSat)) {
    const program = patchedProgram(family.toSelf, revocation, REVOCATION_OFFSET.toSelf);
    outputs.push({ amountSat: Number(ownSat), program, head: headOf(program) });
  }
  if (!isDust(othSat)) outputs.push({ amountSat: Number(othSat), program: family.toOther, head: -1 });
  outputs.sort(compare);
  const { txid, outputIndex: index, amountSat, script: scriptCode } = params.funding;
  const { lockTime, sequence } = numberLocks(params.number, params.numberMask);
  const input = { txid, index, sequence };
  const sighash = hashWitnessV0({
    version: 2,
    hashPrevouts: hashPrevouts([input]),
    hashSequence: hashSequence([input]),
    input,
    scriptCode,
    amountSat,
    hashOutputs: hash256(serialized(buffer, outputs)),
    lockTime,
    hashType: SIGHASH_ALL,
  });
  return { sighash, feeSat };
}

/**
 * The signature hash and fee of a commitment; its outputs and transaction are built by `commitmentOutputs` and
 * `commitmentTransaction` where they are needed. With a buffer a commitment of 400 HTLCs takes a fraction of a millisecond. Throws
 * InvariantBroken where the amounts don't add up to the funding. Spec: B2-15, B2-30, B2-31.
 */
export function buildCommitment(params: CommitmentParams, buffer?: CommitmentBuffer): Commitment {
  invariant(params.revocationHash.length === 32, "a revocation hash has 32 bytes");
  if (buffer !== undefined) return buildWith(buffer, params);
  const transaction = commitmentTransaction(params);
  const nonDust = params.htlcs.filter(({ amountMsat }) => !isDust(amountMsat / 1000n)).length;
  const { feeSat } = commitmentBalances(params, nonDust);
  return { sighash: sighashAll(transaction, 0, params.funding.script, params.funding.amountSat), feeSat };
}
