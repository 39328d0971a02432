import { type Transaction, type TransactionOutput, witnessProgramOf } from "../../core/bitcoin/index.ts";
import type { ChainTransaction } from "./chain-transaction.ts";
import type { Coin } from "./coins.ts";
import { type Rejection, rejection } from "./rejection.ts";
import { isPayToAnchor, isPushOnly, OP } from "./script.ts";

/** The lowest rate relayed, and the least that a replacement adds, in satoshi per 1000 virtual bytes. */
export const MIN_RELAY_FEE = 1000;
/** The rate at which an output must be worth spending, in satoshi per 1000 bytes. */
const DUST_RELAY_FEE = 3000;
const MAX_STANDARD_WEIGHT = 400_000;
/** Shorter transactions can be mistaken for inner nodes of a merkle tree. */
const MIN_STRIPPED_BYTES = 65;
const MAX_SCRIPT_SIG_BYTES = 1650;
const MAX_DATA_OUTPUT_BYTES = 83;
const MAX_WITNESS_SCRIPT_BYTES = 3600;
const MAX_WITNESS_ITEMS = 100;
const MAX_WITNESS_ITEM_BYTES = 80;
/** Outpoint, lengths, sequence and what a signature and key take, for an input with and without segwit. */
const SPEND_BYTES = { witness: 67, legacy: 148 };

/** The fee that `rate` (satoshi per 1000 virtual bytes) asks for, rounded up. */
export function feeAt(rate: number, virtualSize: number): bigint {
  return BigInt(Math.ceil((rate * virtualSize) / 1000));
}

/** The rate of a fee in satoshi per 1000 virtual bytes, rounded down, as Core compares rates. */
export function rateOf(feeSat: bigint, virtualSize: number): bigint {
  return (feeSat * 1000n) / BigInt(virtualSize);
}

function isData(script: Uint8Array): boolean {
  return script[0] === OP.RETURN;
}

function isKeyHash(script: Uint8Array): boolean {
  return (
    script.length === 25 &&
    script[0] === OP.DUP &&
    script[1] === OP.HASH160 &&
    script[2] === 20 &&
    script[23] === OP.EQUALVERIFY &&
    script[24] === OP.CHECKSIG
  );
}

function isScriptHash(script: Uint8Array): boolean {
  return script.length === 23 && script[0] === OP.HASH160 && script[1] === 20 && script[22] === OP.EQUAL;
}

/** Below this amount an output costs more to spend than it is worth. */
export function dustThreshold({ script }: Pick<TransactionOutput, "script">): bigint {
  if (isData(script)) return 0n;
  const size = 8 + 1 + script.length;
  const spend = witnessProgramOf(script) === undefined ? SPEND_BYTES.legacy : SPEND_BYTES.witness;
  return feeAt(DUST_RELAY_FEE, size + spend);
}

function isStandardOutput({ script }: TransactionOutput): boolean {
  if (isData(script)) return script.length <= MAX_DATA_OUTPUT_BYTES && isPushOnly(script, 1);
  const program = witnessProgramOf(script);
  if (program === undefined) return isKeyHash(script) || isScriptHash(script);
  return program.version > 0 || program.program.length === 20 || program.program.length === 32;
}

/**
 * What relay refuses in a transaction by itself. Stricter than Core: bare multisig, bare keys, dust in a transaction
 * without fee, and version 3, whose rules are not here.
 */
export function checkStandard({ transaction, weight, raw }: ChainTransaction): Rejection | undefined {
  const { version, inputs, outputs } = transaction;
  if (version < 1 || version > 2) return rejection("version");
  if (weight > MAX_STANDARD_WEIGHT) return rejection("tx-size");
  if (inputs.some(({ script }) => script.length > MAX_SCRIPT_SIG_BYTES)) return rejection("scriptsig-size");
  if (!inputs.every(({ script }) => isPushOnly(script))) return rejection("scriptsig-not-pushonly");
  if (!outputs.every(isStandardOutput)) return rejection("scriptpubkey");
  if (outputs.some((output) => output.amountSat < dustThreshold(output))) return rejection("dust");
  if (outputs.filter(({ script }) => isData(script)).length > 1) return rejection("multi-op-return");
  const stripped = (weight - raw.length) / 3;
  if (stripped < MIN_STRIPPED_BYTES) return rejection("tx-size-small");
  return undefined;
}

/** Whether relay lets a coin of this kind be spent at all. */
function isStandardCoin({ script }: Coin): boolean {
  const output = witnessProgramOf(script);
  if (output === undefined) return isKeyHash(script) || isScriptHash(script);
  const { version, program } = output;
  if (version === 0) return program.length === 20 || program.length === 32;
  return (version === 1 && program.length === 32) || isPayToAnchor(script);
}

function isStandardWitness(witness: readonly Uint8Array[], { script }: Coin): boolean {
  if (witness.length === 0) return true;
  const output = witnessProgramOf(script);
  if (output === undefined || isPayToAnchor(script)) return false;
  const { version, program } = output;
  const last = witness.at(-1) ?? new Uint8Array(0);
  if (version === 0 && program.length === 32) {
    const items = witness.slice(0, -1);
    return (
      last.length <= MAX_WITNESS_SCRIPT_BYTES &&
      items.length <= MAX_WITNESS_ITEMS &&
      items.every((item) => item.length <= MAX_WITNESS_ITEM_BYTES)
    );
  }
  if (version !== 1 || witness.length < 2) return true;
  // An annex, or a script path with an empty control block.
  return last.length > 0 && last[0] !== 0x50;
}

/** What relay refuses in the spending of these coins, which stand in the order of the inputs. */
export function checkStandardInputs({ inputs }: Transaction, coins: readonly Coin[]): Rejection | undefined {
  if (!coins.every(isStandardCoin)) return rejection("bad-txns-nonstandard-inputs");
  const standard = coins.every((coin, i) => isStandardWitness(inputs[i]?.witness ?? [], coin));
  return standard ? undefined : rejection("bad-witness-nonstandard");
}
