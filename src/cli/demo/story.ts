// What the demo shows, step by step:
//
//   chain     a regtest chain with a faucet
//   nodes     alice and bob, each with files of its own, bob listening on loopback
//   fund      the faucet pays alice
//   connect   alice connects to bob: encrypted and authenticated
//   open      a channel with money on both sides; the anchor transaction is mined
//   pay       1,000 payments, 500 each way
//   fail      one payment to nobody, which gives its money back
//   close     both sign a closing transaction, which is mined
//   check     every satoshi is found again
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import {
  asPaymentHash,
  type BitcoinChain,
  type ChannelSummary,
  equalBytes,
  msat,
  type NodeEvent,
  openNode,
  type SluiceNode,
  sat,
  toHex,
  txidToDisplay,
} from "../../node/index.ts";
import { EXIT } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import { grouped, satWithDecimals, shortened } from "../format.ts";
import { describeRequestError } from "../request-error.ts";
import { type Books, balanceTable, keepBooks } from "./books.ts";
import { readChannelOnChain, untilChain } from "./chain-watch.ts";
import type { DemoChain } from "./demo-chain.ts";
import type { Narrator } from "./narrator.ts";
import {
  amountFromAlice,
  amountFromBob,
  type End,
  LANES_EACH_WAY,
  PAYMENTS_EACH_WAY,
  payBothWays,
  payNobody,
  sumOf,
  type Tally,
} from "./payments.ts";
import type { Resources } from "./resources.ts";

export const STEP_COUNT = 9;

const FAUCET_SAT = 5_000_000n;
const CHANNEL_SAT = 2_000_000n;
const PUSHED_SAT = 1_000_000n;
/** Enough for the depth that both sides ask for, and for the close to count as final. */
const BLOCKS_TO_CONFIRM = 6;

export type Stage = {
  readonly narrator: Narrator;
  readonly resources: Resources;
  readonly tally: Tally;
  readonly directory: string;
  readonly startChain: () => Promise<DemoChain>;
  /** Called with what goes wrong outside of any call that is waited for; ends the demo. */
  readonly disturb: (cause: unknown) => void;
};

function expectStage(name: string, wanted: ChannelSummary["stage"]): (channel: ChannelSummary) => boolean {
  return ({ stage, failure }) => {
    if (failure !== undefined) throw new Failure(EXIT.failed, "channel_failed", `${name}'s channel failed: ${failure}`);
    return stage === wanted;
  };
}

/** Resolves when the node has processed the block of that height. */
function untilHeight(node: SluiceNode, height: number): Promise<void> {
  if (node.height >= height) return Promise.resolve();
  return new Promise((resolve) => {
    const unsubscribe = node.subscribe(() => {
      if (node.height < height) return;
      unsubscribe();
      resolve();
    });
  });
}

function listener(stage: Stage, name: string): (event: NodeEvent) => void {
  return (event) => {
    if (event.type === "halted") stage.disturb(event.cause);
    else if (event.type === "violation") {
      stage.disturb(new Failure(EXIT.failed, "violation", `${name} saw its peer break a rule: ${event.problem}`));
    } else if (event.type === "broadcast_rejected") {
      const message = `the chain refused a transaction of ${name}: ${event.reason}`;
      stage.disturb(new Failure(EXIT.failed, "broadcast_rejected", message));
    } else if (event.type === "trouble") stage.narrator.detail(`(${name}: ${event.problem})`);
  };
}

async function openOne(stage: Stage, chain: DemoChain, name: string): Promise<SluiceNode> {
  const view = await chain.view();
  try {
    return await openNode({ directory: join(stage.directory, name), chain: view, listener: listener(stage, name) });
  } catch (cause) {
    await view.close();
    throw cause;
  }
}

type Cast = {
  readonly chain: DemoChain;
  readonly view: BitcoinChain;
  readonly alice: SluiceNode;
  readonly bob: SluiceNode;
};

async function mine({ chain, alice, bob }: Cast, blocks: number): Promise<void> {
  const height = await chain.mine(blocks);
  await Promise.all([untilHeight(alice, height), untilHeight(bob, height)]);
}

async function gather(stage: Stage): Promise<Cast & { readonly firstHeight: number }> {
  const { narrator, resources } = stage;
  const chain = await narrator.step("chain", "Start a Bitcoin chain with a faucet", async () => {
    const started = await resources.own(stage.startChain);
    narrator.detail(started.description);
    return started;
  });
  const cast = await narrator.step(
    "nodes",
    "Start two nodes, each with a seed and an SQLite file of its own",
    async () => {
      const view = await chain.view();
      await resources.own(async () => ({ stop: () => view.close() }));
      const alice = await resources.own(() => openOne(stage, chain, "alice"));
      const bob = await resources.own(() => openOne(stage, chain, "bob"));
      narrator.detail(`alice is ${shortened(toHex(alice.nodeId))}, bob is ${shortened(toHex(bob.nodeId))}`);
      return { chain, view, alice, bob };
    },
  );
  const firstHeight = cast.alice.height;
  await narrator.step("fund", `The faucet gives alice ${grouped(FAUCET_SAT)} sat`, async () => {
    const address = await cast.alice.newAddress();
    await chain.fund(address, FAUCET_SAT);
    await mine(cast, 1);
    narrator.detail(`paid to ${address}; her wallet has ${grouped(cast.alice.balance().confirmedSat)} sat confirmed`);
  });
  await narrator.step("connect", "alice connects to bob", async () => {
    const { host, port } = await cast.bob.listen({ host: "127.0.0.1", port: 0 });
    await cast.alice.connect(cast.bob.nodeId, { host, port });
    narrator.detail(`over TCP at ${host}:${port}, encrypted, both proved who they are`);
  });
  return { ...cast, firstHeight };
}

type OpenChannel = { readonly alice: End; readonly bob: End; readonly anchor: Parameters<BitcoinChain["unspent"]>[0] };

async function open(stage: Stage, cast: Cast): Promise<OpenChannel> {
  const { narrator } = stage;
  const { alice, bob, view } = cast;
  const opened = await alice.openChannel(bob.nodeId, {
    amountSat: sat(CHANNEL_SAT),
    pushMsat: msat(PUSHED_SAT * 1000n),
  });
  if (!opened.ok) {
    const message = `alice could not open a channel: ${describeRequestError(opened.error)}`;
    throw new Failure(EXIT.failed, opened.error.type, message);
  }
  const channel = opened.value;
  const { funding, channelId } = await alice.untilChannel(channel, expectStage("alice", "awaiting_depth"));
  const same = bob.channels().find((one) => equalBytes(one.channelId, channelId));
  if (funding === undefined || same === undefined) throw new Error("a channel that waits for its anchor has one");
  const anchor = { txid: funding.txid, index: funding.outputIndex };
  await untilChain(view, async () => (await view.unspent(anchor)) !== undefined);
  narrator.detail(
    `anchor transaction ${shortened(txidToDisplay(anchor.txid))} is in the mempool; ${BLOCKS_TO_CONFIRM} blocks confirm it`,
  );
  await mine(cast, BLOCKS_TO_CONFIRM);
  await alice.untilChannel(channel, expectStage("alice", "open"));
  await bob.untilChannel(same.channel, expectStage("bob", "open"));
  const ends = {
    alice: { name: "alice", node: alice, channel },
    bob: { name: "bob", node: bob, channel: same.channel },
  };
  tellBalances(narrator, ends.alice);
  return { ...ends, anchor };
}

function summaryOf({ name, node, channel }: End): ChannelSummary {
  const summary = node.channel(channel);
  if (summary === undefined) throw new Error(`${name} has lost its channel`);
  return summary;
}

function tellBalances(narrator: Narrator, alice: End): void {
  const { localMsat, remoteMsat } = summaryOf(alice);
  narrator.detail(`in the channel: alice ${satWithDecimals(localMsat)} sat, bob ${satWithDecimals(remoteMsat)} sat`);
}

async function pay(stage: Stage, { alice, bob }: OpenChannel): Promise<void> {
  const { narrator, tally } = stage;
  const total = 2 * PAYMENTS_EACH_WAY;
  const bar = narrator.progress(total);
  const from = performance.now();
  const directions = [
    { from: alice, to: bob, amountOf: amountFromAlice },
    { from: bob, to: alice, amountOf: amountFromBob },
  ];
  try {
    bar.update(0, "0 per second");
    await payBothWays(directions, tally, () => {
      const perSecond = Math.round((tally.settled * 1000) / (performance.now() - from));
      bar.update(tally.settled, `${grouped(perSecond)} per second`);
    });
  } finally {
    bar.end();
  }
  const there = satWithDecimals(sumOf(amountFromAlice, PAYMENTS_EACH_WAY));
  const back = satWithDecimals(sumOf(amountFromBob, PAYMENTS_EACH_WAY));
  narrator.detail(`${there} sat went from alice to bob, ${back} sat from bob to alice`);
  tellBalances(narrator, alice);
}

async function fail(stage: Stage, { alice, bob }: OpenChannel): Promise<void> {
  const { narrator, tally } = stage;
  const why = await payNobody(alice, asPaymentHash(randomBytes(32)), tally);
  narrator.detail(`bob gave it back: ${why}`);
  tellBalances(narrator, alice);
  const [one, other] = [summaryOf(alice), summaryOf(bob)];
  if (one.localMsat !== other.remoteMsat || one.remoteMsat !== other.localMsat) {
    throw new Failure(EXIT.failed, "views_differ", "alice and bob do not agree on the channel's balances");
  }
}

async function close(stage: Stage, cast: Cast, channel: OpenChannel): Promise<void> {
  const { alice, bob, anchor } = channel;
  const { view } = cast;
  const asked = await alice.node.closeChannel(alice.channel);
  if (!asked.ok) {
    const message = `alice could not close the channel: ${describeRequestError(asked.error)}`;
    throw new Failure(EXIT.failed, asked.error.type, message);
  }
  await alice.node.untilChannel(alice.channel, expectStage("alice", "close_agreed"));
  await bob.node.untilChannel(bob.channel, expectStage("bob", "close_agreed"));
  await untilChain(view, async () => (await view.unspent(anchor)) === undefined);
  stage.narrator.detail(`both have signed it, and it is in the mempool; ${BLOCKS_TO_CONFIRM} blocks confirm it`);
  await mine(cast, BLOCKS_TO_CONFIRM);
  await alice.node.untilChannel(alice.channel, expectStage("alice", "closed"));
  await bob.node.untilChannel(bob.channel, expectStage("bob", "closed"));
}

function walletOf(node: SluiceNode): bigint {
  const { confirmedSat, unconfirmedSat, reservedSat } = node.balance();
  return confirmedSat + unconfirmedSat + reservedSat;
}

async function check(stage: Stage, cast: Cast, channel: OpenChannel, firstHeight: number): Promise<Books> {
  const { narrator } = stage;
  const onChain = await readChannelOnChain(cast.view, firstHeight, channel.anchor);
  if (onChain === undefined) {
    throw new Failure(EXIT.failed, "not_on_chain", "the chain does not have the anchor transaction and its close");
  }
  const netMsat = sumOf(amountFromAlice, PAYMENTS_EACH_WAY) - sumOf(amountFromBob, PAYMENTS_EACH_WAY);
  const books = keepBooks({
    faucetSat: FAUCET_SAT,
    channelSat: CHANNEL_SAT,
    aliceMsat: (CHANNEL_SAT - PUSHED_SAT) * 1000n - netMsat,
    bobMsat: PUSHED_SAT * 1000n + netMsat,
    ...onChain,
    walletAliceSat: walletOf(cast.alice),
    walletBobSat: walletOf(cast.bob),
  });
  for (const line of balanceTable(books.balances)) narrator.detail(line);
  for (const problem of books.problems) narrator.detail(`does not add up: ${problem}`);
  return books;
}

/** Plays the demo; what it starts is left to `stage.resources`. Rejects with Failure, or with whatever went wrong. */
export async function playDemo(stage: Stage): Promise<Books> {
  const { narrator } = stage;
  const cast = await gather(stage);
  const title = `Open a channel of ${grouped(CHANNEL_SAT)} sat, ${grouped(PUSHED_SAT)} of them for bob`;
  const channel = await narrator.step("open", title, () => open(stage, cast));
  const payments = `${grouped(2 * PAYMENTS_EACH_WAY)} payments, ${PAYMENTS_EACH_WAY} each way, ${2 * LANES_EACH_WAY} at a time`;
  await narrator.step("pay", payments, () => pay(stage, channel));
  await narrator.step("fail", "One payment that has to fail: nobody has an invoice for it", () => fail(stage, channel));
  await narrator.step("close", "Close the channel together", () => close(stage, cast, channel));
  return narrator.step("check", "Find every satoshi again", () => check(stage, cast, channel, cast.firstHeight));
}
