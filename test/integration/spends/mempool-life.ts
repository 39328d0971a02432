import { transactionId } from "../../../src/core/bitcoin/index.ts";
import { validDraft } from "./draft.ts";
import { ANYBODY } from "./locks.ts";
import type { Random } from "./random.ts";
import { type Draft, feeOf, type LockedCoin, rawOf, signDraft, sizeOf, transactionOf } from "./spend.ts";

/** A transaction that was offered to the mempool, with what it left to the miner. */
export type Offered = { readonly draft: Draft; readonly fee: bigint; readonly size: number };

/** Makes transactions that depend on each other or fight over the same outputs. */
export type Family = {
  next(height: number): { raw: Uint8Array; kind: string; settled(accepted: boolean): void };
};

/** Spends `inputs` to one or a few outputs that anybody can spend. */
function spendAll(inputs: Draft["inputs"], outputCount: number, fee: bigint): Draft {
  const available = inputs.reduce((sum, { coin }) => sum + coin.amountSat, 0n) - fee;
  const amountSat = available / BigInt(outputCount);
  const outputs = Array.from({ length: outputCount }, () => ({ amountSat, script: ANYBODY.output }));
  return { version: 2, lockTime: 0, inputs, outputs };
}

function anybodyInput(coin: LockedCoin): Draft["inputs"][number] {
  const signing = { hashType: 1, amountError: 0n, highS: false, wrongKey: false };
  const [path] = ANYBODY.paths;
  return { coin, path, sequence: 0xfffffffd, scriptSig: new Uint8Array(0), signing, witness: [] };
}

/** `large` families come up against the limits on chains of transactions that wait. */
export function family(random: Random, coins: readonly LockedCoin[], large: boolean): Family {
  const offered: Offered[] = [];
  const outputs: LockedCoin[] = [];
  /** The end of a chain of children that grows until it is too long. */
  let thread: LockedCoin | undefined;

  function confirmedSpend(height: number): Draft {
    const { inputs, lockTime } = validDraft(random, coins, height);
    for (const { signing, coin } of inputs) signing.hashType = coin.lock.signature === "ecdsa" ? 1 : 0;
    return { ...spendAll(inputs, 1 + random.int(3), BigInt(inputs.length * (2000 + random.int(3000)))), lockTime };
  }

  /** One of the latest outputs. */
  function someOutput(): LockedCoin | undefined {
    return outputs.at(-1 - random.int(Math.min(outputs.length, large ? random.pick([1, 3, 60]) : 60)));
  }

  function child(): Draft | undefined {
    const first = thread !== undefined && random.chance(0.5) ? thread : someOutput();
    const second = random.chance(0.2) ? someOutput() : undefined;
    if (first === undefined) return undefined;
    const spent = second === undefined || second === first ? [first] : [first, second];
    const available = spent.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    if (available < 30_000n) return undefined;
    return spendAll(
      spent.map(anybodyInput),
      random.pick(large ? [1, 1, 1, 2, 2, 30] : [1, 2]),
      BigInt(1600 + random.int(400)),
    );
  }

  /** The same outputs again, the fee about what it takes to replace the other. */
  function conflict(): Draft | undefined {
    const last = offered.at(-1 - random.int(Math.min(offered.length, 40)));
    if (last === undefined) return undefined;
    const inputs = last.draft.inputs.map((input) => ({ ...input, signing: { ...input.signing } }));
    const extra = random.chance(0.3) ? someOutput() : undefined;
    if (extra !== undefined && !inputs.some(({ coin }) => coin === extra)) inputs.push(anybodyInput(extra));
    const more = random.pick([0n, BigInt(last.size) - 1n, BigInt(last.size), BigInt(last.size), 5000n]);
    const draft = spendAll(inputs, random.pick([1, last.draft.outputs.length]), last.fee + more);
    draft.lockTime = last.draft.lockTime;
    return draft.outputs.every(({ amountSat }) => amountSat > 1000n) ? draft : undefined;
  }

  return {
    next(height) {
      const kind = random.pick(["spend", "spend", "child", "child", "child", "conflict", "conflict"] as const);
      const draft =
        (kind === "child" ? child() : kind === "conflict" ? conflict() : undefined) ?? confirmedSpend(height);
      signDraft(draft);
      const raw = rawOf(draft);
      return {
        raw,
        kind,
        settled(accepted) {
          const grows = thread === undefined || draft.inputs[0]?.coin === thread;
          if (grows) thread = undefined;
          if (!accepted) return;
          offered.push({ draft, fee: feeOf(draft), size: sizeOf(draft) });
          const txid = transactionId(transactionOf(draft));
          for (const [index, { amountSat }] of draft.outputs.entries()) {
            outputs.push({ txid, index, amountSat, height, coinbase: false, lock: ANYBODY });
          }
          if (grows && large) thread = outputs.at(-1);
        },
      };
    },
  };
}
