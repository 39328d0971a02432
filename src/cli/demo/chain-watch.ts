import {
  type BitcoinChain,
  equalBytes,
  type Outpoint,
  parseTransaction,
  type Transaction,
  toHex,
  transactionId,
} from "../../node/index.ts";

/** Resolves once `holds` says so of the chain, looking now and at each of its events. */
export function untilChain(chain: BitcoinChain, holds: () => Promise<boolean>): Promise<void> {
  return new Promise((resolve, reject) => {
    let looks = Promise.resolve(false);
    const look = (): void => {
      looks = looks.then(async (done) => done || (await holds()));
      looks.then(
        (done) => {
          if (!done) return;
          unsubscribe();
          resolve();
        },
        (cause) => {
          unsubscribe();
          reject(cause);
        },
      );
    };
    const unsubscribe = chain.subscribe(look);
    look();
  });
}

export type ChannelOnChain = {
  /** Inputs less outputs of the anchor transaction. */
  readonly anchorFeeSat: bigint;
  /** The channel's amount less the outputs of the closing transaction. */
  readonly closeLossSat: bigint;
};

function total(transaction: Transaction): bigint {
  return transaction.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
}

/**
 * What opening and closing a channel cost, read from the chain's blocks alone, from `fromHeight` on: that is where the coins are
 * that the anchor spends. Undefined where the chain does not have it all.
 */
export async function readChannelOnChain(
  chain: BitcoinChain,
  fromHeight: number,
  anchor: Outpoint,
): Promise<ChannelOnChain | undefined> {
  const transactions = new Map<string, Transaction>();
  const { height: tip } = await chain.tip();
  for (let height = fromHeight; height <= tip; height++) {
    for (const raw of (await chain.block(height))?.transactions ?? []) {
      const parsed = parseTransaction(raw);
      if (parsed.ok) transactions.set(toHex(transactionId(parsed.value)), parsed.value);
    }
  }
  const opening = transactions.get(toHex(anchor.txid));
  const closing = [...transactions.values()].find(({ inputs }) =>
    inputs.some(({ txid, index }) => index === anchor.index && equalBytes(txid, anchor.txid)),
  );
  const channelSat = opening?.outputs[anchor.index]?.amountSat;
  if (opening === undefined || closing === undefined || channelSat === undefined) return undefined;
  let spentSat = 0n;
  for (const { txid, index } of opening.inputs) {
    const coin = transactions.get(toHex(txid))?.outputs[index];
    if (coin === undefined) return undefined;
    spentSat += coin.amountSat;
  }
  return { anchorFeeSat: spentSat - total(opening), closeLossSat: channelSat - total(closing) };
}
