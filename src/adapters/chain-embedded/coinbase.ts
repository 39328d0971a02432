import { asTxid, concatBytes } from "../../core/base/index.ts";
import { pushNumber } from "../../core/bitcoin/index.ts";
import { hash256 } from "../../core/crypto/index.ts";
import { merkleRoot } from "./block-header.ts";
import { type ChainTransaction, chainTransaction } from "./chain-transaction.ts";
import { OP } from "./script.ts";

/** The value of the coinbase's witness, hashed into the commitment; any would do. Source: BIP 141. */
const WITNESS_RESERVED = new Uint8Array(32);
/** RETURN, a push of 36 bytes, and the commitment's header. Source: BIP 141. */
const COMMITMENT_PREFIX = Uint8Array.of(OP.RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed);

/**
 * The coinbase of a block at `height` with these transactions: it pays `amountSat` to `script` and commits to the
 * witnesses. `extraNonce` makes blocks differ that would otherwise be the same. Source: BIP 34, BIP 141.
 */
export function coinbaseTransaction(
  height: number,
  extraNonce: number,
  amountSat: bigint,
  script: Uint8Array,
  transactions: readonly ChainTransaction[],
): ChainTransaction {
  const root = merkleRoot([new Uint8Array(32), ...transactions.map(({ wtxid }) => wtxid)]);
  const commitment = concatBytes(COMMITMENT_PREFIX, hash256(concatBytes(root, WITNESS_RESERVED)));
  return chainTransaction({
    version: 2,
    inputs: [
      {
        txid: asTxid(new Uint8Array(32)),
        index: 0xffffffff,
        script: concatBytes(pushNumber(height), pushNumber(extraNonce)),
        sequence: 0xffffffff,
        witness: [WITNESS_RESERVED],
      },
    ],
    outputs: [
      { amountSat, script },
      { amountSat: 0n, script: commitment },
    ],
    lockTime: 0,
  });
}
