import { equalBytes, invariant } from "../../core/base/index.ts";
import {
  payToPublicKeyHash,
  sighash,
  type Transaction,
  type TransactionInput,
  witnessProgramOf,
} from "../../core/bitcoin/index.ts";
import { secp256k1, sha256 } from "../../core/crypto/index.ts";
import type { Coin } from "./coins.ts";
import { verifyEcdsa } from "./ecdsa.ts";
import { MAX_ELEMENT_BYTES, runScript } from "./interpreter.ts";
import { isTrue, type SpendContext } from "./machine.ts";
import { isPayToAnchor } from "./script.ts";
import type { ScriptError, ScriptRules } from "./script-error.ts";

import { taprootSighash } from "./taproot-sighash.ts";

const LOCKTIME_THRESHOLD = 500_000_000;
const SEQUENCE_FINAL = 0xffffffff;
const SEQUENCE_DISABLED = 0x80000000;
const SEQUENCE_IN_SECONDS = 0x400000;
const ANNEX_PREFIX = 0x50;

/** One input being checked. */
type Spend = {
  readonly transaction: Transaction;
  readonly index: number;
  readonly input: TransactionInput;
  /** Those of all inputs, in order. */
  readonly coins: readonly Coin[];
  readonly coin: Coin;
  readonly rules: ScriptRules;
};

function lockTimeMet({ transaction, input }: Spend, required: number): boolean {
  const sameUnit = required < LOCKTIME_THRESHOLD === transaction.lockTime < LOCKTIME_THRESHOLD;
  return sameUnit && required <= transaction.lockTime && input.sequence !== SEQUENCE_FINAL;
}

function sequenceMet({ transaction, input }: Spend, required: number): boolean {
  if (transaction.version < 2 || input.sequence >= SEQUENCE_DISABLED) return false;
  // 5-byte numbers reach past 32 bits, of which a lock takes the unit and 16 bits.
  const wanted = required % 2 ** 32;
  const sameUnit = (wanted & SEQUENCE_IN_SECONDS) === (input.sequence & SEQUENCE_IN_SECONDS);
  return sameUnit && (wanted & 0xffff) <= (input.sequence & 0xffff);
}

function contextOf(spend: Spend, scriptCode: Uint8Array): SpendContext {
  const { transaction, index, coin } = spend;
  return {
    checkSignature(signature, publicKey) {
      const hash = sighash(transaction, index, scriptCode, coin.amountSat, signature.at(-1) ?? 0);
      return verifyEcdsa(signature.subarray(0, -1), hash, publicKey);
    },
    checkLockTime: (required) => lockTimeMet(spend, required),
    checkSequence: (required) => sequenceMet(spend, required),
  };
}

function runWitnessScript(spend: Spend, script: Uint8Array, items: readonly Uint8Array[]): ScriptError | undefined {
  if (items.some((item) => item.length > MAX_ELEMENT_BYTES)) return "push_size";
  const stack = [...items];
  const error = runScript(script, stack, spend.rules, contextOf(spend, script));
  if (error !== undefined) return error;
  const [left, ...more] = stack;
  if (left === undefined || more.length > 0) return "clean_stack";
  return isTrue(left) ? undefined : "eval_false";
}

/** Source: BIP 141, P2WSH. */
function witnessScriptHash(spend: Spend, program: Uint8Array): ScriptError | undefined {
  const { witness } = spend.input;
  const script = witness.at(-1);
  if (script === undefined) return "witness_program_empty";
  if (!equalBytes(sha256(script), program)) return "witness_program_mismatch";
  return runWitnessScript(spend, script, witness.slice(0, -1));
}

/** Source: BIP 141, P2WPKH: the script of P2PKH over exactly two items. */
function witnessKeyHash(spend: Spend, program: Uint8Array): ScriptError | undefined {
  const { witness } = spend.input;
  if (witness.length !== 2) return "witness_program_mismatch";
  return runWitnessScript(spend, payToPublicKeyHash(program), witness);
}

/** Source: BIP 341, key path; script paths are refused. */
function taproot(spend: Spend, program: Uint8Array): ScriptError | undefined {
  const { witness } = spend.input;
  const last = witness.at(-1);
  if (last === undefined) return "witness_program_empty";
  const annex = witness.length >= 2 && last[0] === ANNEX_PREFIX ? last : undefined;
  const items = annex === undefined ? witness : witness.slice(0, -1);
  const [signature, ...more] = items;
  if (signature === undefined || more.length > 0) return "taproot_script_path";
  if (signature.length !== 64 && signature.length !== 65) return "schnorr_signature_size";
  const hashType = signature[64] ?? 0;
  if (signature.length === 65 && hashType === 0) return "schnorr_hash_type";
  const hash = taprootSighash(spend.transaction, spend.index, spend.coins, hashType, annex);
  if (hash === undefined) return "schnorr_hash_type";
  return secp256k1.schnorrVerify(signature.subarray(0, 64), hash, program) ? undefined : "schnorr_signature";
}

function verifyInput(spend: Spend): ScriptError | undefined {
  const { coin, input, rules } = spend;
  const output = witnessProgramOf(coin.script);
  if (output === undefined) return "legacy_script";
  if (input.script.length > 0) return "witness_malleated";
  const { version, program } = output;
  if (version === 0 && program.length === 32) return witnessScriptHash(spend, program);
  if (version === 0 && program.length === 20) return witnessKeyHash(spend, program);
  if (version === 0) return "witness_program_wrong_length";
  if (version === 1 && program.length === 32) return taproot(spend, program);
  if (isPayToAnchor(coin.script)) return undefined;
  return rules === "policy" ? "upgradable_witness_program" : undefined;
}

/**
 * Whether each input of a transaction may spend its coin by script: the first error, or undefined. `coins` stand in the
 * order of the inputs. Only segwit outputs can be spent: version 0, the taproot key path, pay to anchor, and by consensus
 * the versions that have no rules yet.
 */
export function verifyScripts(
  transaction: Transaction,
  coins: readonly Coin[],
  rules: ScriptRules,
): ScriptError | undefined {
  invariant(coins.length === transaction.inputs.length, "there is a coin for each input");
  for (const [index, coin] of coins.entries()) {
    const input = transaction.inputs[index];
    invariant(input !== undefined, "there is an input for each coin");
    const error = verifyInput({ transaction, index, input, coins, coin, rules });
    if (error !== undefined) return error;
  }
  return undefined;
}
