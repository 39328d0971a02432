// What a campaign's money must be at its end, counted from the chain alone.
import { toHex } from "../../src/core/base/index.ts";
import { parseTransaction, type Transaction, transactionId } from "../../src/core/bitcoin/index.ts";
import type { KillChain } from "./kill-chain.ts";

function parsed(raw: Uint8Array): Transaction {
  const transaction = parseTransaction(raw);
  if (!transaction.ok) throw new Error(transaction.error.reason);
  return transaction.value;
}

export type ChainBooks = {
  /** What transactions that spent the parties' money paid, in satoshi. */
  readonly feesSat: bigint;
  readonly transactions: number;
  /** What of it lies in outputs that nothing spends. */
  readonly unspentSat: readonly bigint[];
};

/** Follows money through the blocks: from the outputs with which the parties were given it, to where it lies. */
export async function chainBooks(
  chain: KillChain,
  gifts: readonly { readonly raw: Uint8Array; readonly script: Uint8Array }[],
): Promise<ChainBooks> {
  const lies = new Map<string, bigint>();
  for (const { raw, script } of gifts) {
    const gift = parsed(raw);
    const txid = toHex(transactionId(gift));
    gift.outputs.forEach((output, index) => {
      if (toHex(output.script) === toHex(script)) lies.set(`${txid}:${index}`, output.amountSat);
    });
  }
  let feesSat = 0n;
  let transactions = 0;
  const top = await chain.height();
  for (let height = 0; height <= top; height++) {
    for (const raw of await chain.transactionsAt(height)) {
      const transaction = parsed(raw);
      const spent = transaction.inputs.map(({ txid, index }) => `${toHex(txid)}:${index}`);
      const known = spent.filter((outpoint) => lies.has(outpoint));
      if (known.length === 0) continue;
      if (known.length < spent.length) throw new Error("a transaction spends money of the parties and other money");
      transactions++;
      for (const outpoint of spent) {
        feesSat += lies.get(outpoint) ?? 0n;
        lies.delete(outpoint);
      }
      const txid = toHex(transactionId(transaction));
      transaction.outputs.forEach(({ amountSat }, index) => {
        feesSat -= amountSat;
        lies.set(`${txid}:${index}`, amountSat);
      });
    }
  }
  return { feesSat, transactions, unspentSat: [...lies.values()] };
}
