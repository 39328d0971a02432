import { type Satoshi, toHex } from "../../src/core/base/index.ts";
import {
  type Claim,
  claimSighash,
  claimTransaction,
  claimWitness,
  parseTransaction,
  payToWitnessPublicKeyHash,
  type Spend,
  serializeTransaction,
  transactionId,
} from "../../src/core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../../src/core/crypto/index.ts";
import { outputsOf } from "../../src/core/payment-channel/chain-outputs.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import type { ChainOutputRow, ChannelRows } from "../../src/core/payment-channel/index.ts";
import { load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import { isIn } from "../../src/core/payment-channel/state.ts";
import type { RandomNumbers, WorldNode } from "../../src/testing/index.ts";
import type { Held, Loot } from "./loot.ts";
import type { Market } from "./market.ts";

/** Commitments that a channel has had before cheating is worth it. */
const ENOUGH_PAST = 4;

function signing(node: WorldNode) {
  return { signer: seedSigner(node.seed, 1), keys: keyPaths(1) };
}

/** The newest commitment of those rows, signed. */
function held(node: WorldNode, rows: ChannelRows): Held | undefined {
  const { signer, keys } = signing(node);
  const ownHash = (n: number) => ownRevocationHash({ signer }, rows.channel.index, n);
  const state = load(rows, 0, ownHash);
  const row = state.commitments.local;
  const raw = newestCommitment(state, { signer, keys });
  if (row === undefined || raw === undefined) return undefined;
  return { rows, state, row, htlcs: rows.htlcs.filter((htlc) => isIn(htlc, row.coverage)), raw };
}

/** The cheater publishes a commitment of its own, revoked or not, into the mempool or straight into a block. */
export async function publishOld(market: Market, random: RandomNumbers): Promise<void> {
  const { cheater, world } = market;
  if (cheater === undefined) return;
  const channels = [...market.past.values()].filter(({ length }) => length >= ENOUGH_PAST);
  const [which, back, any, rich, mined, goes] = [16, 8, 64, 3, 3, 2].map(random) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const all = channels[which % Math.max(1, channels.length)] ?? [];
  // What HTLCs stand in is the most fun, and what is near the newest.
  const full = all.filter(({ htlcs }) => htlcs.length > 0);
  const commitments = rich > 0 && full.length > 0 ? full : all;
  const at = back < 4 ? commitments.length - 1 - back : any % Math.max(1, commitments.length);
  const rows = commitments[Math.max(0, at)];
  const found = rows && held(cheater, rows);
  const parsed = found && parseTransaction(found.raw);
  if (found === undefined || !parsed?.ok) return;
  if (goes > 0) {
    market.gone.add(cheater);
    if (cheater.up !== undefined) cheater.crash();
  }
  const outcome =
    mined > 0
      ? world.chain.mine(1, { transactions: [found.raw] }).ok
      : world.chain.submit(found.raw).type === "admitted";
  world.trace.note(
    `${cheater.name} publishes ${found.row.number} of ${all.length}, ${mined > 0 ? "mined" : "waiting"}: ${outcome}`,
  );
  await world.clock.run();
  if (!outcome) return;
  market.loot.push({ ...found, transaction: parsed.value });
  market.thieve ??= async () => take(market, cheater);
}

/** Everything that the cheater can take of what it published, at fees that beat others. */
async function take(market: Market, cheater: WorldNode): Promise<void> {
  for (const loot of market.loot) {
    const txid = transactionId(loot.transaction);
    const published = {
      holder: "local",
      revoked: true,
      revocationHash: loot.row.revocationHash,
      htlcs: loot.htlcs,
    } as const;
    for (const output of outputsOf(loot.state, loot.transaction, published)) {
      const there = market.world.chain.unspent({ txid, index: output.index }, { mempool: false });
      if (there === undefined) continue;
      const next = market.world.chain.tip.height + 1;
      const spend = await wayOf(cheater, loot, output, { next, confirmed: next - there.confirmations });
      if (spend !== undefined) claim(market, cheater, loot, output, spend);
    }
  }
  await market.world.clock.run();
}

async function wayOf(
  cheater: WorldNode,
  { state, htlcs }: Loot,
  { kind, htlcId, witnessScript: script }: ChainOutputRow,
  { next, confirmed }: { readonly next: number; readonly confirmed: number },
): Promise<Spend | undefined> {
  const delay = state.terms.remote?.delay ?? 0;
  if (script === undefined || next < confirmed + delay) return undefined;
  if (kind === "to_self") return { type: "to_self", script, delay };
  const htlc = htlcs.find(({ id }) => id === htlcId);
  if (htlc === undefined) return undefined;
  if (kind === "offered") {
    return next > htlc.expiry ? { type: "offered_timeout", script, delay, expiry: htlc.expiry } : undefined;
  }
  const preimage = (await cheater.store.invoice(htlc.paymentHash))?.preimage;
  return preimage === undefined ? undefined : { type: "received_fulfilled", script, delay, paymentPreimage: preimage };
}

function claim({ world }: Market, cheater: WorldNode, { rows }: Loot, output: ChainOutputRow, spend: Spend): void {
  const { signer, keys } = signing(cheater);
  const key = keys.finalKey(rows.channel.index);
  const { txid, index, amountSat } = output;
  const wanted: Claim = { txid, index, amountSat: amountSat as Satoshi, spend };
  const rate = Math.max(1_000, Math.min(30_000, Math.floor((Number(amountSat) * 1000) / 400)));
  const made = claimTransaction([wanted], payToWitnessPublicKeyHash(signer.publicKey(key)), rate);
  if (!made.ok) return;
  const signature = signer.sign(key, claimSighash(made.value, 0, wanted));
  const inputs = made.value.inputs.map((input) => ({ ...input, witness: claimWitness(spend, signature) }));
  const { type } = world.chain.submit(serializeTransaction({ ...made.value, inputs }, { witness: true }));
  world.trace.note(`${cheater.name} claims ${toHex(txid).slice(0, 8)}/${index} as ${spend.type}: ${type}`);
}
