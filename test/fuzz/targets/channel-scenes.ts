// Channels somewhere in their lives: where the programs of the target `step` begin.
import { ChannelPair, type Party, type PartyName } from "../../support/channel-pair.ts";
import { DualPair, must } from "../../support/dual-funding.ts";

export type Scene = { readonly name: string; readonly build: () => ChannelPair };

const PUSH_MSAT = 400_000_000n;

function standing(pair: ChannelPair): ChannelPair {
  pair.offer("alice", 1, 50_000_000n);
  pair.offer("bob", 2, 40_000_000n);
  pair.settle();
  return pair;
}

function answered(): ChannelPair {
  const pair = new ChannelPair();
  pair.propose({ pushMsat: PUSH_MSAT });
  pair.answer();
  return pair;
}

export const SCENES: readonly Scene[] = [
  { name: "open", build: () => new ChannelPair({ alice: { window: 3 } }).open({ pushMsat: PUSH_MSAT }) },
  { name: "standing", build: () => standing(new ChannelPair().open({ pushMsat: PUSH_MSAT })) },
  {
    name: "prestage",
    build: () => new ChannelPair({ alice: { prestageAdds: "ask" } }).open({ pushMsat: PUSH_MSAT, prestage: true }),
  },
  {
    name: "proposed",
    build: () => {
      const pair = new ChannelPair();
      pair.propose({ pushMsat: PUSH_MSAT });
      return pair;
    },
  },
  { name: "answered", build: answered },
  {
    name: "anchored",
    build: () => {
      const pair = answered();
      pair.deliver("bob");
      pair.fund();
      return pair;
    },
  },
  {
    name: "requested",
    build: () => {
      const pair = new DualPair();
      must(pair.request());
      return pair;
    },
  },
  {
    name: "taken",
    build: () => {
      const pair = new DualPair();
      must(pair.request());
      must(pair.take());
      return pair;
    },
  },
  { name: "responded", build: () => new DualPair().respond() },
  { name: "sign-accepted", build: () => new DualPair({ policy: { prestage: true } }).signAccept() },
  { name: "sign-completed", build: () => new DualPair().signComplete() },
  {
    name: "closing",
    build: () => {
      const pair = standing(new ChannelPair().open({ pushMsat: PUSH_MSAT }));
      pair.alice.run({ type: "close", script: undefined });
      pair.alice.flush();
      return pair;
    },
  },
];

export const NAMES = ["alice", "bob"] as const;

/** What of a party changes with its channel. */
type Snapshot = Pick<
  Party,
  "state" | "received" | "sent" | "packetAcknowledge" | "height" | "outgoing" | "tells" | "broadcasts"
>;

function snapshotOf({
  state,
  received,
  sent,
  packetAcknowledge,
  height,
  outgoing,
  tells,
  broadcasts,
}: Party): Snapshot {
  return { state, received, sent, packetAcknowledge, height, outgoing, tells, broadcasts };
}

type Built = { readonly pair: ChannelPair; readonly snapshots: Record<PartyName, Snapshot> };
const built = new Map<string, Built>();

/** Opening a channel costs much more than most of what comes after: each scene is built once, and copied. */
export function copyOf(scene: Scene): ChannelPair {
  let known = built.get(scene.name);
  if (known === undefined) {
    const pair = scene.build();
    known = { pair, snapshots: structuredClone({ alice: snapshotOf(pair.alice), bob: snapshotOf(pair.bob) }) };
    built.set(scene.name, known);
  }
  const { pair } = known;
  const snapshots = structuredClone(known.snapshots);
  for (const name of NAMES) {
    const party = pair[name];
    const { tells, broadcasts, ...rest } = snapshots[name];
    Object.assign(party, rest);
    party.tells.splice(0, party.tells.length, ...tells);
    party.broadcasts.splice(0, party.broadcasts.length, ...broadcasts);
    party.changes.length = 0;
    Object.assign(party, { ready: true, caughtUp: true, now: 1_700_000_000_000, unacknowledged: undefined });
    Object.assign(party, { fees: { nextBlock: 2_000, relay: 1_000, fallback: 2_000 }, defends: false });
  }
  return pair;
}
