import { taprootSighash } from "../../../src/adapters/chain-embedded/taproot-sighash.ts";
import { concatBytes, fromHex, type Txid, toHex } from "../../../src/core/base/index.ts";
import { serializeTransaction, sighash, type Transaction, virtualSize } from "../../../src/core/bitcoin/index.ts";
import { derEncode, secp256k1 } from "../../../src/core/crypto/index.ts";
import type { Lock, Path } from "./locks.ts";

/** A confirmed output with the lock that it was made with. */
export type LockedCoin = {
  readonly txid: Txid;
  readonly index: number;
  readonly amountSat: bigint;
  readonly height: number;
  readonly coinbase: boolean;
  readonly lock: Lock;
};

/** How an input is signed: right, unless something was changed on purpose. */
export type Signing = {
  hashType: number;
  /** Replaces the hash type written behind the signature. */
  writtenType?: number;
  /** Added to the amount that is signed. */
  amountError: bigint;
  highS: boolean;
  /** Changes the DER encoding, hash type not included. */
  encode?: (der: Uint8Array) => Uint8Array;
  /** Signs with another key. */
  wrongKey: boolean;
};

export type SpendInput = {
  coin: LockedCoin;
  path: Path;
  sequence: number;
  scriptSig: Uint8Array;
  signing: Signing;
  /** Set by signing. */
  witness: Uint8Array[];
};

/** A transaction in the making; mutations change it in place. */
export type Draft = {
  version: number;
  lockTime: number;
  inputs: SpendInput[];
  outputs: { amountSat: bigint; script: Uint8Array }[];
};

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export function transactionOf(draft: Draft): Transaction {
  const inputs = draft.inputs.map(({ coin, sequence, scriptSig, witness }) => ({
    txid: coin.txid,
    index: coin.index,
    script: scriptSig,
    sequence,
    witness,
  }));
  return { version: draft.version, lockTime: draft.lockTime, inputs, outputs: draft.outputs };
}

export function rawOf(draft: Draft): Uint8Array {
  return serializeTransaction(transactionOf(draft), { witness: true });
}

export function sizeOf(draft: Draft): number {
  return virtualSize(transactionOf(draft));
}

export function feeOf(draft: Draft): bigint {
  const paid = draft.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  return draft.inputs.reduce((sum, { coin }) => sum + coin.amountSat, 0n) - paid;
}

/** The signature with the other value of s, which is valid by consensus and refused by relay. */
function raiseS(signature: Uint8Array): Uint8Array {
  const s = ORDER - BigInt(`0x${toHex(signature.subarray(32))}`);
  return concatBytes(signature.subarray(0, 32), fromHex(s.toString(16).padStart(64, "0")) ?? new Uint8Array(32));
}

function otherKey(secret: Uint8Array): Uint8Array {
  const other = secret.slice();
  other[31] = (other[31] ?? 0) ^ 1;
  return other;
}

function signEcdsa(draft: Draft, index: number, secret: Uint8Array): Uint8Array {
  const input = draft.inputs[index];
  if (input === undefined) throw new Error("no such input");
  const { signing, coin } = input;
  const { hashType } = signing;
  const amount = coin.amountSat + signing.amountError;
  const hash = sighash(transactionOf(draft), index, coin.lock.scriptCode, amount, hashType);
  const signature = secp256k1.sign(hash, signing.wrongKey ? otherKey(secret) : secret);
  const der = derEncode(signing.highS ? raiseS(signature) : signature);
  return concatBytes(signing.encode?.(der) ?? der, Uint8Array.of(signing.writtenType ?? hashType));
}

function signSchnorr(draft: Draft, index: number, secret: Uint8Array): Uint8Array {
  const input = draft.inputs[index];
  if (input === undefined) throw new Error("no such input");
  const { signing } = input;
  const coins = draft.inputs.map(({ coin }, i) => ({
    ...coin,
    amountSat: coin.amountSat + (i === index ? signing.amountError : 0n),
    script: coin.lock.output,
  }));
  const hash = taprootSighash(transactionOf(draft), index, coins, signing.hashType) ?? new Uint8Array(32);
  const signature = secp256k1.schnorrSign(hash, signing.wrongKey ? otherKey(secret) : secret, new Uint8Array(32));
  const written = signing.writtenType ?? signing.hashType;
  return written === 0 ? signature : concatBytes(signature, Uint8Array.of(written));
}

/** Puts its witness into each input. */
export function signDraft(draft: Draft): void {
  const witnesses = draft.inputs.map(({ coin, path }, index) => {
    const { lock } = coin;
    const signOne = lock.signature === "ecdsa" ? signEcdsa : signSchnorr;
    const stack = path.stack((secret) => signOne(draft, index, secret));
    return lock.witnessScript === undefined ? stack : [...stack, lock.witnessScript];
  });
  for (const [i, input] of draft.inputs.entries()) input.witness = witnesses[i] ?? [];
}
