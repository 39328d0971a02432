import { asPaymentHash, type Msat, type Satoshi, toHex } from "../../src/core/base/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import type { Flow, FlowStep, FlowWorld } from "./flow.ts";
import type { TestNode } from "./node-network.ts";

const AMOUNT_SAT = 1_000_000n as Satoshi;
const PUSH_MSAT = 400_000_000n as Msat;

type Name = "alice" | "bob";

async function meet({ world, alice, bob }: FlowWorld): Promise<void> {
  for (const node of [alice, bob]) await world.fund(node, 1_100_000n, 2);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
}

/** Opens so many channels, the first by Alice, and on by turns. */
function opened(channels: number) {
  return async (flow: FlowWorld): Promise<void> => {
    await meet(flow);
    const { world, alice, bob } = flow;
    for (let n = 0; n < channels; n++) {
      const [from, to] = n % 2 === 0 ? [alice, bob] : [bob, alice];
      const made = await world.outcome(
        from.node.openChannel(to.nodeId, { amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT }),
      );
      if (!made.ok) throw new Error(made.error.type);
    }
    await world.quiet();
    world.chain.mine(6);
    await world.quiet();
    if (!allChannels(flow, "open")) throw new Error("the channels do not open");
  };
}

function allChannels(flow: FlowWorld, stage: string): boolean {
  return [flow.alice, flow.bob].every((node) => {
    const channels = flow.channels(node);
    return channels.length > 0 && channels.every((channel) => channel.stage === stage);
  });
}

function ignore(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}

/** The channel that both know as number `n`, on this side. */
function channelOf(flow: FlowWorld, node: TestNode, n: number): number {
  const id = flow.channels(flow.alice)[n]?.channelId;
  const found = flow.channels(node).find(({ channelId }) => id !== undefined && toHex(channelId) === toHex(id));
  if (found === undefined) throw new Error(`${node.name} has no channel ${n}`);
  return found.channel;
}

/** Has an invoice made before anything goes wrong. */
function invoices(...wanted: readonly (readonly [name: string, owner: Name, amountMsat: bigint])[]) {
  return async (flow: FlowWorld): Promise<void> => {
    for (const [name, owner, amountMsat] of wanted) {
      const node = flow[owner];
      const made = await flow.world.outcome(node.node.createInvoice({ amountMsat: amountMsat as Msat }));
      if (!made.ok) throw new Error(made.error.type);
      flow.invoices.set(name, { owner: node, paymentHash: made.value.paymentHash });
    }
  };
}

function both(...prepares: readonly Flow["prepare"][]): Flow["prepare"] {
  return async (flow) => {
    for (const prepare of prepares) await prepare(flow);
  };
}

/** A payment of an invoice, or of a hash that nobody knows. Asked for again, it still is one payment. */
function pay(flow: FlowWorld, payer: Name, name: string, amountMsat: bigint, channel = 0): void {
  const node = flow[payer];
  flow.payments.set(name, node);
  const known = flow.invoices.get(name)?.paymentHash;
  const paymentHash = asPaymentHash(known ?? sha256(new TextEncoder().encode(name)));
  const request = { id: name, paymentHash, amountMsat: amountMsat as Msat };
  if (node.up !== undefined) ignore(node.up.pay(channelOf(flow, node, channel), request));
}

async function allEnded(flow: FlowWorld): Promise<boolean> {
  for (const [id, payer] of flow.payments) {
    const row = await payer.node.payment(id);
    if (row === undefined || row.state === "pending") return false;
  }
  return [flow.alice, flow.bob].every((node) => flow.channels(node).every(({ htlcs }) => htlcs === 0));
}

/** Nobody owes anybody a signature or a revocation: what each has signed is what the other holds. */
function isLevel(flow: FlowWorld): boolean {
  return flow.channels(flow.alice).every((ours) => {
    const theirs = flow.channels(flow.bob).find(({ channelId }) => toHex(channelId) === toHex(ours.channelId));
    return ours.localCommitment === theirs?.remoteCommitment && ours.remoteCommitment === theirs?.localCommitment;
  });
}

const paid = async (flow: FlowWorld): Promise<boolean> => (await allEnded(flow)) && isLevel(flow);

function payAll(...payments: readonly (readonly [payer: Name, name: string, amountMsat: bigint, channel?: number])[]) {
  return {
    act: (flow: FlowWorld) => {
      for (const [payer, name, amountMsat, channel] of payments) pay(flow, payer, name, amountMsat, channel);
    },
    done: paid,
  };
}

const closed: FlowStep = {
  act: ({ world }) => void world.chain.mine(6),
  done: (flow) => allChannels(flow, "closed"),
};

function close(name: Name): (flow: FlowWorld) => void {
  return (flow) => {
    const node = flow[name];
    if (node.up !== undefined) ignore(node.up.closeChannel(channelOf(flow, node, 0)));
  };
}

const agreed: FlowStep["done"] = (flow) => allChannels(flow, "close_agreed");

/** Every flow between two nodes. What is new in the protocol is added as a row: see `Flow`. */
export const FLOWS: readonly Flow[] = [
  {
    name: "open a channel with a single funder",
    prepare: meet,
    steps: [
      {
        act: ({ alice, bob }) => {
          const [channel] = alice.up?.channels() ?? [];
          if (channel !== undefined || alice.up === undefined) return;
          ignore(alice.up.openChannel(bob.nodeId, { amountSat: AMOUNT_SAT, pushMsat: PUSH_MSAT }));
        },
        done: (flow) => allChannels(flow, "awaiting_depth"),
      },
      { act: ({ world }) => void world.chain.mine(6), done: (flow) => allChannels(flow, "open") },
    ],
  },
  {
    name: "add, commit, revoke and fulfil, one way",
    prepare: both(opened(1), invoices(["p", "bob", 5_000_001n])),
    steps: [payAll(["alice", "p", 5_000_001n])],
  },
  {
    name: "add, commit, revoke and fulfil, both ways at once",
    prepare: both(opened(1), invoices(["p", "bob", 5_000_001n], ["q", "alice", 7_000_003n])),
    steps: [payAll(["alice", "p", 5_000_001n], ["bob", "q", 7_000_003n])],
  },
  {
    name: "add and fail",
    prepare: opened(1),
    steps: [payAll(["alice", "nobody's", 5_000_001n], ["bob", "nobody's either", 1n])],
  },
  {
    name: "fulfil and fail in one batch",
    prepare: both(opened(1), invoices(["p", "bob", 2_000_000n], ["q", "bob", 545_999n])),
    steps: [payAll(["alice", "p", 2_000_000n], ["alice", "nobody's", 600_000n], ["alice", "q", 545_999n])],
  },
  {
    name: "update_fee of both, with a payment",
    prepare: both(opened(1), invoices(["p", "bob", 5_000_000n])),
    steps: [
      {
        act: (flow) => {
          for (const [node, feeRate] of [
            [flow.alice, 5_000],
            [flow.bob, 7_000],
          ] as const) {
            if (node.up !== undefined) ignore(node.up.setFeeRate(channelOf(flow, node, 0), feeRate));
          }
          pay(flow, "alice", "p", 5_000_000n);
        },
        done: paid,
      },
    ],
  },
  {
    name: "several commitments that are not revoked",
    prepare: both(
      opened(1),
      invoices(...[0, 1, 2, 3].map((n) => [`p${n}`, "bob", 1_000_000n + BigInt(n)] as const), ["q", "alice", 9n]),
    ),
    steps: [
      {
        act: async (flow) => {
          const { alice, bob, world } = flow;
          pay(flow, "bob", "q", 9n);
          // Bob's revocations wait while Alice signs again and again.
          world.network.hold(bob.nodeId, alice.nodeId);
          for (const n of [0, 1, 2, 3]) {
            pay(flow, "alice", `p${n}`, 1_000_000n + BigInt(n));
            await flow.settle();
          }
          world.network.release(bob.nodeId, alice.nodeId);
        },
        done: paid,
      },
    ],
  },
  {
    name: "close with HTLCs pending on both sides",
    prepare: both(opened(1), invoices(["p", "bob", 5_000_001n], ["q", "alice", 3_000_000n]), async (flow) => {
      const { alice, bob, world } = flow;
      // Added before either side says that it closes, while nobody can act on them.
      world.network.hold(bob.nodeId, alice.nodeId);
      pay(flow, "alice", "p", 5_000_001n);
      pay(flow, "bob", "q", 3_000_000n);
      pay(flow, "bob", "nobody's", 2_000_000n);
      await flow.settle();
    }),
    steps: [
      {
        act: (flow) => {
          const { alice, bob, world } = flow;
          close("bob")(flow);
          world.network.release(bob.nodeId, alice.nodeId);
        },
        done: agreed,
      },
      closed,
    ],
  },
  {
    name: "close by both at once",
    prepare: opened(1),
    steps: [
      {
        act: (flow) => {
          close("alice")(flow);
          close("bob")(flow);
        },
        done: agreed,
      },
      closed,
    ],
  },
  {
    name: "negotiate the close over several offers",
    prepare: both(opened(1), async (flow) => {
      flow.estimates.set("alice", 1_400);
      flow.estimates.set("bob", 7_000);
      await flow.world.advance(61_000);
    }),
    steps: [{ act: close("bob"), done: agreed }, closed],
  },
  {
    name: "three channels of one peer, opened from either side, interleaved",
    prepare: both(
      opened(3),
      invoices(["p", "bob", 5_000_001n], ["q", "alice", 7_000_003n], ["r", "bob", 600_000n], ["s", "alice", 1n]),
    ),
    steps: [
      payAll(
        ["alice", "p", 5_000_001n, 0],
        ["bob", "q", 7_000_003n, 1],
        ["alice", "nobody's", 2_000_000n, 1],
        ["alice", "r", 600_000n, 2],
        ["bob", "s", 1n, 0],
      ),
    ],
  },
];
