import { equalBytes, type Satoshi, toHex } from "../../src/core/base/index.ts";
import {
  type Claim,
  claimSighash,
  claimTransaction,
  claimWitness,
  parseTransaction,
  payToWitnessPublicKeyHash,
  type Spend,
  serializeTransaction,
  type Transaction,
} from "../../src/core/bitcoin/index.ts";
import { keyPaths, seedSigner } from "../../src/core/crypto/index.ts";
import { outputsOf } from "../../src/core/payment-channel/chain-outputs.ts";
import { newestCommitment } from "../../src/core/payment-channel/force-close.ts";
import type { ChannelRows } from "../../src/core/payment-channel/index.ts";
import { load, ownRevocationHash } from "../../src/core/payment-channel/index.ts";
import { isIn } from "../../src/core/payment-channel/state.ts";
import type { RandomNumbers, WorldNode } from "../../src/testing/index.ts";
import type { Held, Prize } from "./loot.ts";
import { type Market, UNDONE } from "./market.ts";

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
  market.loot.push(...prizesOf(found, parsed.value));
  market.thieve ??= thief(market, cheater);
}

/** The outputs of a commitment of the cheater's own. */
function prizesOf({ rows, state, row, htlcs }: Held, transaction: Transaction): Prize[] {
  const published = { holder: "local", revoked: true, revocationHash: row.revocationHash, htlcs } as const;
  return outputsOf(state, transaction, published).map((output) => ({
    channel: rows.channel.index,
    isOwn: true,
    output,
    htlc: htlcs.find(({ id }) => id === output.htlcId),
    delay: state.terms.remote?.delay ?? 0,
  }));
}

/** What the cheater does with each block: see `market.thieve`. */
export function thief(market: Market, cheater: WorldNode): () => Promise<void> {
  const heard = new Map<WorldNode, number>();
  return async () => {
    await raid(market, cheater, heard);
    for (const prize of market.loot) await take(market, cheater, prize);
    await market.world.clock.run();
  };
}

/** Commitments that honest nodes published against the cheater have something for it too, where they come too late. */
async function raid(market: Market, cheater: WorldNode, heard: Map<WorldNode, number>): Promise<void> {
  for (const node of market.honest) {
    const from = heard.get(node) ?? 0;
    heard.set(node, node.events.length);
    for (const event of node.events.slice(from)) {
      if (event.type !== "anchor_spent" || event.kind !== "commitment" || event.holder !== "local") continue;
      if (!equalBytes(event.peer, cheater.nodeId)) continue;
      const { channels } = await node.store.load();
      const theirs = channels.find(({ channel }) => channel.index === event.channel);
      const channel = theirs && channelOf(market, theirs.id);
      if (theirs === undefined || channel === undefined) continue;
      for (const output of theirs.chainOutputs) {
        const htlc = theirs.htlcs.find(({ id }) => id === output.htlcId);
        market.loot.push({ channel, isOwn: false, output, htlc, delay: 0 });
      }
    }
  }
}

/** The cheater's own number of a channel. */
function channelOf(market: Market, id: Uint8Array): number | undefined {
  for (const [channel, commitments] of market.past) {
    const newest = commitments.at(-1);
    if (newest !== undefined && equalBytes(newest.id, id)) return channel;
  }
  return undefined;
}

/** What the cheater can take in the next block it takes, at fees that beat others. */
async function take(market: Market, cheater: WorldNode, prize: Prize): Promise<void> {
  const { chain } = market.world;
  const { txid, index } = prize.output;
  const there = chain.unspent({ txid, index }, { mempool: false });
  if (there === undefined) return undo(market, cheater, prize);
  const next = chain.tip.height + 1;
  const spend = await wayOf(cheater, prize, { next, confirmed: next - there.confirmations });
  // What shows a preimage can wait until the other side believes that it never will.
  const waits =
    market.setting.thiefWaits && (spend?.type === "received_fulfilled" || spend?.type === "offered_fulfilled");
  if (spend === undefined || waits) return;
  const raw = claim(cheater, prize, spend);
  const type = raw && chain.submit(raw).type;
  market.trace.note(`${cheater.name} claims ${toHex(txid).slice(0, 8)}/${index} as ${spend.type}: ${type}`);
}

/** As a miner, the cheater replaces the newest blocks by others with its own claim of what somebody else's had taken. */
async function undo(market: Market, cheater: WorldNode, prize: Prize): Promise<void> {
  const { chain, clock } = market.world;
  const { txid, index } = prize.output;
  const block = chain.blockAt(chain.tip.height - UNDONE + 1);
  const isThere = block?.transactions.some(({ transaction }) =>
    transaction.inputs.some((input) => input.index === index && equalBytes(input.txid, txid)),
  );
  if (!market.setting.thiefWaits || block === undefined || isThere !== true) return;
  const confirmed = market.heightOf(txid);
  const spend = confirmed === undefined ? undefined : await wayOf(cheater, prize, { next: block.height, confirmed });
  if (spend?.type !== "received_fulfilled" && spend?.type !== "offered_fulfilled") return;
  const raw = claim(cheater, prize, spend);
  if (raw === undefined) return;
  chain.invalidate(block);
  const { ok } = chain.mine(1, { transactions: [raw] });
  market.trace.note(`${cheater.name} undoes ${UNDONE} blocks for ${toHex(txid).slice(0, 8)}/${index}: ${ok}`);
  chain.mine(UNDONE);
  await clock.run();
}

async function wayOf(
  cheater: WorldNode,
  { isOwn, output: { kind, witnessScript: script }, htlc, delay }: Prize,
  { next, confirmed }: { readonly next: number; readonly confirmed: number },
): Promise<Spend | undefined> {
  if (script === undefined || next < confirmed + delay) return undefined;
  if (kind === "to_self") return isOwn ? { type: "to_self", script, delay } : undefined;
  if (htlc === undefined) return undefined;
  const { expiry } = htlc;
  // Its own offers come back, and those of the others' it takes with the preimage.
  if (isOwn === (kind === "offered")) {
    if (next <= expiry) return undefined;
    return isOwn ? { type: "offered_timeout", script, delay, expiry } : { type: "received_timeout", script, expiry };
  }
  const paymentPreimage = (await cheater.store.invoice(htlc.paymentHash))?.preimage;
  if (paymentPreimage === undefined) return undefined;
  return isOwn
    ? { type: "received_fulfilled", script, delay, paymentPreimage }
    : { type: "offered_fulfilled", script, paymentPreimage };
}

/** The transaction; undefined where the output is not worth it. */
function claim(cheater: WorldNode, { channel, output }: Prize, spend: Spend): Uint8Array | undefined {
  const { signer, keys } = signing(cheater);
  const key = keys.finalKey(channel);
  const { txid, index, amountSat } = output;
  const wanted: Claim = { txid, index, amountSat: amountSat as Satoshi, spend };
  const rate = Math.max(1_000, Math.min(30_000, Math.floor((Number(amountSat) * 1000) / 400)));
  const made = claimTransaction([wanted], payToWitnessPublicKeyHash(signer.publicKey(key)), rate);
  if (!made.ok) return undefined;
  const signature = signer.sign(key, claimSighash(made.value, 0, wanted));
  const inputs = made.value.inputs.map((input) => ({ ...input, witness: claimWitness(spend, signature) }));
  return serializeTransaction({ ...made.value, inputs }, { witness: true });
}
