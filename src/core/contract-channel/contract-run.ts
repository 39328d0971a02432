import { type ChannelId, equalBytes, err, ok, type Result } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import {
  binaryValue,
  type ContractResult,
  type Failure,
  GRANULARITY,
  ledgerProfile,
  listOf,
  type NoContractResult,
  readContractResult,
  run,
  type Value,
} from "../vm/index.ts";
import { type ContractLeaf, factsHash, isZero } from "./leaf.ts";
import { otherParty, type Pair, type Party } from "./parties.ts";
import { type Units, units } from "./units.ts";

/** What a contract's hashes stand for. */
export type ContractProgram = { readonly code: Uint8Array; readonly facts: readonly Uint8Array[] };

/** Why a run gave no result. Its reason is for people and policies: all of these count the same. */
export type FailedRun =
  | { readonly type: "machine"; readonly failure: Failure }
  | { readonly type: "no_result"; readonly reason: NoContractResult };

/** Keys of variables go from 1 to this, in every contract. */
export const CONTRACT_VARIABLES = 256;
/** Definitions that one run may make. */
export const CONTRACT_FUNCTIONS = 256;

/** Whether the program is the one that the contract's hashes name. */
export function isProgramOf(leaf: ContractLeaf, { code, facts }: ContractProgram): boolean {
  return equalBytes(sha256(code), leaf.codeHash) && equalBytes(factsHash(facts), leaf.prove);
}

/** The list on the stack before the code: only of a contract that has a root or facts, or else "nothing given" would look given. */
function pushedList(channelId: ChannelId, leaf: ContractLeaf, facts: readonly Uint8Array[]): Value | undefined {
  const hasRoot = !isZero(leaf.root);
  if (!hasRoot && facts.length === 0) return undefined;
  const root = hasRoot ? binaryValue(leaf.root) : listOf([]);
  return listOf([root, binaryValue(leaf.id), binaryValue(channelId), ...facts.map(binaryValue)]);
}

/**
 * Runs one contract: the evidence, then the code, on the stack that the evidence left. The one place where contracts run, for resolving, paying
 * out, forcing, settling and showing. The program must be the contract's own (`isProgramOf`). Never throws; ends within the contract's gas.
 * Source: AP-9, AP-11, AP-13; seed 004, problems 1, 3 and 4.
 */
export function runContract(contract: {
  readonly channelId: ChannelId;
  readonly leaf: ContractLeaf;
  readonly program: ContractProgram;
  /** A program too; empty for "nothing given". AP-15. */
  readonly evidence: Uint8Array;
  /** In ticks of the ledger's clock: on the ledger, of the block that the transaction is in. */
  readonly height: number;
}): Result<ContractResult, FailedRun> {
  const { channelId, leaf, program, evidence, height } = contract;
  const ran = run({
    evidence,
    code: program.code,
    facts: pushedList(channelId, leaf, program.facts),
    version: 2,
    height,
    timeGas: leaf.timeGas,
    spaceGas: leaf.spaceGas,
    variableLimit: CONTRACT_VARIABLES,
    functionLimit: CONTRACT_FUNCTIONS,
    profile: ledgerProfile,
  });
  if (!ran.ok) return err({ type: "machine", failure: ran.error });
  const result = readContractResult(ran.value.stack);
  return result.ok ? ok(result.value) : err({ type: "no_result", reason: result.error });
}

/** How `amount` parts of 10,000 divide the stakes: the beneficiary's share is rounded down, the rest is the other's. */
export function shares(
  { stakes, beneficiary }: Pick<ContractLeaf, "stakes" | "beneficiary">,
  amount: number,
): Pair<Units> {
  const all = stakes.initiator + stakes.responder;
  const share = (all * BigInt(amount)) / BigInt(GRANULARITY);
  const parts: Record<Party, Units> = { initiator: units(0), responder: units(0) };
  parts[beneficiary] = units(share);
  parts[otherParty(beneficiary)] = units(all - share);
  return parts;
}
