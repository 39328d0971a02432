import { equalBytes, type Msat, toHex } from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { ChannelSummary } from "../../src/node/channel-summary.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { Broken, plainText, type WorldNode } from "../../src/testing/index.ts";
import { ChainBooks, NodeBooks, scriptsOf } from "./books.ts";
import type { Market } from "./market.ts";

/** Looked at after every step: what nodes have told since. */
export function checkNews(market: Market): void {
  const news = market.news().filter(({ node }) => market.isHonest(node));
  // What one node does for a reason of its own is the other's reason.
  for (const { node, event } of news) if (event.type === "channel_stage") noteDeadline(market, node, event);
  for (const { node, event } of news) checkEvent(market, node, event);
}

function checkEvent(market: Market, node: WorldNode, event: NodeEvent): void {
  switch (event.type) {
    case "violation":
      if (market.isHonest(market.nodeOf(event.peer))) {
        throw new Broken("no honest node accuses another", `${node.name}: ${event.problem}`);
      }
      return;
    case "channel_stage":
      if (event.stage === "failed") checkFailure(market, node, event);
      return;
    case "channel_frozen":
    case "channel_damaged":
      throw new Broken("no invariant of the product is broken", `${node.name}: ${plainText(event)}`);
    case "channel_stale":
      throw new Broken(
        "no node that runs on its own data is told that they are old",
        `${node.name}: ${plainText(event)}`,
      );
    case "halted":
      if (!isPlanned(event.cause)) {
        throw new Broken(
          "no node halts by itself",
          `${node.name}: ${plainText({ cause: event.cause })} ${stackOf(event.cause)}`,
        );
      }
      return;
    case "payment_ended":
      checkEndOnce(market, node, event);
      return;
    default:
      return;
  }
}

function stackOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? "").split("\n").slice(1, 4).join(" ") : "";
}

/** What the campaign itself did to the store or the machine. */
function isPlanned(cause: unknown): boolean {
  return cause instanceof Error && /a planned fault|the machine has crashed|the store is/.test(cause.message);
}

/** Blocks before an expiry, beside the peer's delay, at which a preimage has to go to the chain; and after it for what was offered. */
const CLAIM_MARGIN = 18;
const GRACE = 3;

/**
 * An HTLC that is not settled in time is a cause, where the campaign's HTLCs are short enough for it: the node's view of it has to say so
 * too.
 */
function noteDeadline(market: Market, node: WorldNode, { stage, failure, channel, channelId }: StageEvent): void {
  if (stage !== "failed" || market.setting.theme === "transport" || !/B2-16|LS-24/.test(failure ?? "")) return;
  const longest = Math.max(...market.setting.delays);
  const { height } = market.world.chain.tip;
  const isDue =
    node.up === undefined ||
    node.up
      .channel(channel)
      ?.liveHtlcs.some(({ direction, expiry }) =>
        direction === "incoming" ? expiry <= height + longest + CLAIM_MARGIN : expiry + GRACE <= height,
      );
  if (isDue === true) market.mayFail(channelId, "an HTLC is not settled in time");
}

type StageEvent = Extract<NodeEvent, { type: "channel_stage" }>;

function checkFailure(market: Market, node: WorldNode, event: Extract<NodeEvent, { type: "channel_stage" }>): void {
  const peer = market.nodeOf(event.peer);
  const known = !market.isHonest(peer) || market.causes.has(toHex(event.channelId));
  if (!known) {
    throw new Broken(
      "no force close without a cause",
      `${node.name} with ${peer.name}: ${event.failure ?? "no reason"}`,
    );
  }
}

function checkEndOnce(
  market: Market,
  node: WorldNode,
  { id, state }: Extract<NodeEvent, { type: "payment_ended" }>,
): void {
  const key = `${node.name} ${id}`;
  const before = market.ended.get(key);
  if (before !== undefined && before !== state) {
    throw new Broken("a payment has one end", `${key} was ${before} and is ${state}`);
  }
  market.ended.set(key, state);
}

/** Looked at when everything is over. */
export async function checkEnd(market: Market): Promise<void> {
  checkNews(market);
  checkSupply(market);
  await checkPayments(market);
  await checkOffers(market);
  await checkMoney(market);
  await checkStale(market);
  await checkWorks(market);
  checkNews(market);
}

/** Coins come from block rewards and nowhere else. */
function checkSupply({ world }: Market): void {
  const books = new ChainBooks(world);
  let made = 0n;
  let unspent = 0n;
  for (const [txid, { transaction, height }] of books.transactions) {
    const isCoinbase = transaction.inputs.every((input) => books.source(input) === undefined);
    if (isCoinbase && height > 0) made += 1n;
    transaction.outputs.forEach(({ amountSat }, index) => {
      if (books.spender(Uint8Array.from(Buffer.from(txid, "hex")), index) === undefined) unspent += amountSat;
    });
  }
  let rewards = 0n;
  for (let height = 1; height <= world.chain.tip.height; height++)
    rewards += 5_000_000_000n >> BigInt(Math.floor(height / 150));
  if (made !== BigInt(world.chain.tip.height) || unspent !== rewards) {
    throw new Broken("no coin is made or lost", `${unspent} sat are unspent, ${rewards} were mined`);
  }
}

async function checkPayments(market: Market): Promise<void> {
  for (const { id, payer, payee, paymentHash, said } of market.attempts) {
    if (!market.isHonest(payer)) continue;
    const row = await payer.store.payment(id);
    const problem = (text: string) => new Broken("every payment ends as it was reported", `${id}: ${text}`);
    if (said === "taken" && row === undefined) throw problem("was taken, and is not there");
    if (said === "refused" && row !== undefined) throw problem("was refused, and is there");
    if (row === undefined) continue;
    if (row.state === "pending") throw problem("is pending for ever");
    const told = market.ended.get(`${payer.name} ${id}`);
    if (told !== undefined && told !== row.state) throw problem(`was reported as ${told}, and is ${row.state}`);
    if (row.state !== "succeeded") continue;
    if (row.preimage === undefined || !equalBytes(sha256(row.preimage), paymentHash)) throw problem("has no preimage");
    if (payee === undefined) throw problem("succeeded, and nobody knew the preimage");
    if (!market.isHonest(payee)) continue;
    const invoice = await payee.store.invoice(paymentHash);
    if (invoice?.state !== "settled") throw problem(`succeeded, and ${payee.name}'s invoice is ${invoice?.state}`);
  }
}

/** A node has offered no more HTLCs than payments were asked of it. */
async function checkOffers(market: Market): Promise<void> {
  for (const node of market.honest) {
    for (const { channel, channelId } of node.node.channels()) {
      const asked = new Map<string, number>();
      for (const attempt of market.attempts) {
        if (attempt.payer !== node || attempt.channelId !== toHex(channelId) || attempt.said === "refused") continue;
        const key = toHex(attempt.paymentHash);
        asked.set(key, (asked.get(key) ?? 0) + 1);
      }
      const page = { offerer: "local", before: undefined, limit: 10_000 } as const;
      for (const { id, paymentHash } of await node.store.htlcs(channel, page)) {
        const key = toHex(paymentHash);
        const left = (asked.get(key) ?? 0) - 1;
        if (left < 0) throw new Broken("a payment is made once", `${node.name} offers HTLC ${id} for nothing asked`);
        asked.set(key, left);
      }
    }
  }
}

async function checkMoney(market: Market): Promise<void> {
  const chain = new ChainBooks(market.world);
  for (const node of market.honest) {
    const books = new NodeBooks(market, chain, node, await scriptsOf(node));
    books.checkWallet();
    books.checkWithdrawals();
    const anchors = new Map<string, bigint>();
    for (const channel of node.node.channels()) {
      const begun = await begunWith(node, channel);
      if (channel.funding !== undefined && begun !== undefined) {
        anchors.set(`${toHex(channel.funding.txid)}:${channel.funding.outputIndex}`, begun.contributedSat);
      }
      if (channel.stage === "abandoned" || market.waitsForAnchor(channel) || begun === undefined) continue;
      const owed = await books.owed(channel, begun.msat);
      if (channel.stage === "open") books.checkOpen(channel, owed);
      else if (channel.stage === "closed" || channel.stage === "buried") await books.checkEnded(channel, owed);
      else throw new Broken("everything ends", `${node.name}'s channel ${channel.channel} is ${channel.stage}`);
    }
    books.checkSpends(anchors);
  }
}

/** What the node put into the channel, and had in it at the start; undefined where it was never signed. */
async function begunWith(
  node: WorldNode,
  { channel, amountSat }: ChannelSummary,
): Promise<{ readonly contributedSat: bigint; readonly msat: bigint } | undefined> {
  const history = await node.store.history(channel);
  const [first] = await node.store.commitments(channel, { holder: "local", before: 1, limit: 1 });
  if (history === undefined || first === undefined) return undefined;
  const { initiator, pushMsat } = history.channel;
  const isOpener = initiator === "local";
  // The campaign's channels with one funder all give something away at the start, and those with two don't.
  if (pushMsat === 0n) return { contributedSat: first.localMsat / 1000n, msat: first.localMsat };
  const msat = isOpener ? amountSat * 1000n - pushMsat : pushMsat;
  if (first.localMsat !== msat) {
    throw new Broken(
      "no honest node loses money",
      `${node.name} began channel ${channel} with ${first.localMsat} of ${msat} msat`,
    );
  }
  return { contributedSat: isOpener ? amountSat : 0n, msat };
}

/** A node on old data has published nothing that it had revoked. */
async function checkStale(market: Market): Promise<void> {
  for (const node of market.stale) {
    for (const peer of market.world.nodes) {
      if (peer === node) continue;
      for (const event of peer.events) {
        if (event.type !== "anchor_spent" || event.kind !== "revoked" || !equalBytes(event.peer, node.nodeId)) continue;
        throw new Broken(
          "no old copy publishes what it revoked",
          `${peer.name} saw commitment ${event.number} of ${node.name}`,
        );
      }
    }
  }
}

/** Whoever is honest still works with whoever is honest: a payment over each open channel. */
async function checkWorks(market: Market): Promise<void> {
  const { world } = market;
  for (const seat of market.openSeats(market.honest)) {
    const { node, peer, channel } = seat;
    if (!market.isHonest(peer) || channel.localMsat < channel.remoteMsat) continue;
    const amountMsat = 2_000_000n as Msat;
    const invoice = await world.outcome(peer.node.createInvoice({ amountMsat }));
    if (!invoice.ok) throw new Broken("honest nodes work with each other", `${peer.name}: ${invoice.error.type}`);
    const { paymentHash } = invoice.value;
    market.invoices.push({ owner: peer, paymentHash, amountMsat });
    const attempt = market.pay(seat, peer, paymentHash, amountMsat, undefined, false);
    await world.advance(5_000);
    const row = attempt && (await node.store.payment(attempt.id));
    if (row?.state !== "succeeded") {
      throw new Broken(
        "honest nodes work with each other",
        `${node.name} pays ${peer.name}: ${row?.state ?? attempt?.said} ${row?.failure ?? ""}`,
      );
    }
  }
}
