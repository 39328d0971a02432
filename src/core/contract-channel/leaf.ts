import type { ChannelId, Result } from "../base/index.ts";
import { concatBytes } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { decodeFields, type FieldReader, type FieldWriter, fieldWriter, type Malformed } from "./fields.ts";
import type { Pair, Party } from "./parties.ts";
import { isUnits, type Units } from "./units.ts";

/** A contract as it stands in the tree: what both signed of it. Source: seed 003 "Contracts"; seed 004 "bet". */
export type ContractLeaf = {
  /** See `contractId`. 32 bytes. */
  readonly id: Uint8Array;
  /** SHA-256 of the code. */
  readonly codeHash: Uint8Array;
  /** For people and policies: which contracts are of one kind. Nothing on the ledger depends on it. 32 bytes. */
  readonly key: Uint8Array;
  /** The contract's state, 32 bytes; `NO_ROOT` for none. */
  readonly root: Uint8Array;
  readonly stakes: Pair<Units>;
  /** Who gets the share of the stakes that a run names. */
  readonly beneficiary: Party;
  readonly timeGas: number;
  readonly spaceGas: number;
  /** `factsHash` of what the code is shown besides its ids; `NO_FACTS` for nothing. 32 bytes. */
  readonly prove: Uint8Array;
};

export const LEAF_BYTES = 185;
/** A contract without state: a bet. */
export const NO_ROOT: Uint8Array = new Uint8Array(32);
export const NO_FACTS: Uint8Array = new Uint8Array(32);

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function writeLeaf(fields: FieldWriter, leaf: ContractLeaf): void {
  fields.bytes(leaf.id, 32).bytes(leaf.codeHash, 32).bytes(leaf.key, 32).bytes(leaf.root, 32);
  fields.wide(leaf.stakes.initiator).wide(leaf.stakes.responder);
  fields.number(leaf.beneficiary === "initiator" ? 0 : 1, 1);
  fields.number(leaf.timeGas, 4).number(leaf.spaceGas, 4).bytes(leaf.prove, 32);
}

/** Both stakes together stay below 2^63: they are part of the locked sum. */
function readStakes(fields: FieldReader): Pair<Units> {
  const stakes = { initiator: fields.units("stake"), responder: fields.units("stake") };
  return isUnits(stakes.initiator + stakes.responder) ? stakes : fields.fail("stakes");
}

function readBeneficiary(fields: FieldReader): Party {
  const side = fields.number(1, "beneficiary");
  if (side > 1) fields.fail("beneficiary");
  return side === 0 ? "initiator" : "responder";
}

export function readLeaf(fields: FieldReader): ContractLeaf {
  return {
    id: fields.bytes(32, "contract id"),
    codeHash: fields.bytes(32, "code hash"),
    key: fields.bytes(32, "key"),
    root: fields.bytes(32, "contract root"),
    stakes: readStakes(fields),
    beneficiary: readBeneficiary(fields),
    timeGas: fields.number(4, "time gas"),
    spaceGas: fields.number(4, "space gas"),
    prove: fields.bytes(32, "prove"),
  };
}

/** 185 bytes: id, code hash, key, root; the stakes; beneficiary (0 initiator, 1 responder); time and space gas; prove. */
export function encodeLeaf(leaf: ContractLeaf): Uint8Array {
  const fields = fieldWriter();
  writeLeaf(fields, leaf);
  return fields.done();
}

export function decodeLeaf(bytes: Uint8Array): Result<ContractLeaf, Malformed> {
  return decodeFields(bytes, readLeaf);
}

/** What stands in the tree for a contract, and the key of its record on the ledger, so that a record dies with its root. 32 bytes. */
export function leafHash(leaf: ContractLeaf): Uint8Array {
  return sha256(encodeLeaf(leaf));
}

/** A contract's id: SHA-256 over channel id, the round that brings it in, and its place among that round's. Never used again. */
export function contractId(channelId: ChannelId, round: bigint, index: number): Uint8Array {
  return sha256(fieldWriter().bytes(channelId, 32).wide(round).number(index, 4).done());
}

/** What `prove` of a contract is, of the facts that its code is shown: `NO_FACTS` of none, else SHA-256 over count and facts. */
export function factsHash(facts: readonly Uint8Array[]): Uint8Array {
  if (facts.length === 0) return NO_FACTS;
  return sha256(concatBytes(Uint8Array.of(facts.length), ...facts.map((fact) => fieldWriter().sized(fact, 2).done())));
}
