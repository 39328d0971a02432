// Copies of the node's data with its peers, and those of peers with us:
//
//   both are ready        we  --- ask_copy --->  peer
//                         we  <-- kept_copy ---  peer     what we sent to it before, perhaps long ago
//   then every minute     we  --- keep_copy -->  peer     to eight peers at most, in turns
//
// What a peer gave back is looked at before anything is sent to it: sealed with our own key, and with commitments or channels that come
// after our newest, it proves that our data are an old copy. A peer can say nothing else with it: an older one, garbage or silence change nothing.
//
// Copies go out in a rhythm of their own, whether or not something has changed, so that they tell nobody of payments.

import { toHex } from "../core/base/index.ts";
import {
  type CopyFamily,
  decodeKeepCopy,
  decodeKeptCopy,
  encodeAskCopy,
  encodeKeepCopy,
  encodeKeptCopy,
} from "../core/wire/index.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import type { Backup } from "./backup.ts";
import { makeCopy, openCopy, sealCopy } from "./copy.ts";
import type { Events } from "./events.ts";
import type { Batch, Journal } from "./journal.ts";
import type { Session } from "./session.ts";

export type CopyPolicy = {
  /** Peers keep copies for us. */
  readonly send: boolean;
  /** We keep copies for peers with which we have a channel. */
  readonly keep: boolean;
};

const INTERVAL_MS = 60_000;
/** Peers that get a copy in one interval: at most 512,000 bytes a minute. */
const PEERS_PER_INTERVAL = 8;
/** A peer that does not answer is sent a copy all the same. */
const ANSWER_MS = 60_000;
/** Half of what a peer waits at least, since clocks and networks are no metronomes; sooner ones are dropped. */
const LEAST_INTERVAL_MS = 30_000;
/** An honest peer asks once a connection. */
const LEAST_ASKING_MS = 10_000;

/** What went on with one peer. Times in the clock's milliseconds. */
type Exchange = {
  /** On the present connection. */
  askedAt: number | undefined;
  answered: boolean;
  sentAt: number;
  keptAt: number;
  givenAt: number;
};

export class Copies {
  private readonly options: {
    readonly policy: CopyPolicy;
    readonly store: Store;
    readonly clock: Clock;
    readonly random: Random;
    readonly seed: Uint8Array;
    readonly journal: Journal;
    readonly events: Events;
    readonly sessions: () => readonly Session[];
    /** Whether the peer has a channel whose anchor is in a block: anybody can begin one that never is. */
    readonly isFunded: (session: Session) => boolean;
    /** The data are known to be an old copy. */
    readonly isOld: () => boolean;
    /** The peer shows that they are. */
    readonly onOld: (batch: Batch) => void;
    /** Whether a copy of ours says more of what we did than we know. */
    readonly isBehind: (copy: Backup) => boolean;
    /** Channels of a copy that the node knows nothing of. */
    readonly unknown: (copy: Backup) => number;
  };
  private readonly exchanges = new WeakMap<Session, Exchange>();
  private newest: Uint8Array | undefined;
  private cancel: () => void = () => {};

  constructor(options: Copies["options"]) {
    this.options = options;
  }

  start(): void {
    this.cancel = this.options.clock.after(INTERVAL_MS, () => {
      this.options.journal.post("other", (batch) => this.sendDue(batch));
      this.start();
    });
  }

  stop(): void {
    this.cancel();
  }

  /** There is a newer backup. */
  async renew(backup: Backup): Promise<void> {
    // One that lacks a channel must not take the place of one that has it.
    if (backup.missing.length > 0) return;
    if (this.options.policy.send) this.newest = await makeCopy(backup);
  }

  private exchange(session: Session): Exchange {
    const found = this.exchanges.get(session);
    if (found !== undefined) return found;
    const never = Number.NEGATIVE_INFINITY;
    const exchange = { askedAt: undefined, answered: false, sentAt: never, keptAt: never, givenAt: never };
    this.exchanges.set(session, exchange);
    return exchange;
  }

  /** Both authenticates are exchanged. */
  ready(batch: Batch, session: Session): void {
    const exchange = this.exchange(session);
    exchange.askedAt = undefined;
    exchange.answered = false;
    if (!this.options.policy.send || !session.peerHas("keeps_copies")) return;
    exchange.askedAt = this.options.clock.now();
    session.sendUncounted(batch, encodeAskCopy());
  }

  receive(batch: Batch, session: Session, family: CopyFamily, packet: Uint8Array): void {
    if (family === "ask_copy") this.give(session);
    else if (family === "keep_copy") this.keep(batch, session, packet);
    else this.takeBack(batch, session, packet);
  }

  /** Before authenticate too: whoever lost everything asks, and does not want to be taken for somebody who has not. */
  private give(session: Session): void {
    const { clock, store, journal, events } = this.options;
    const exchange = this.exchange(session);
    if (clock.now() - exchange.givenAt < LEAST_ASKING_MS) return;
    exchange.givenAt = clock.now();
    const { index } = session.peer;
    const stored = session.rows === undefined ? Promise.resolve(undefined) : store.peerCopy(index);
    stored.then(
      (copy) => journal.post("other", (batch) => session.sendUncounted(batch, encodeKeptCopy(copy))),
      (cause: unknown) =>
        events.emit({ type: "trouble", problem: `a peer's copy could not be read: ${String(cause)}` }),
    );
  }

  private keep(batch: Batch, session: Session, packet: Uint8Array): void {
    const { policy, clock, isFunded } = this.options;
    const exchange = this.exchange(session);
    if (!policy.keep || !session.ready || !isFunded(session)) return;
    if (clock.now() - exchange.keptAt < LEAST_INTERVAL_MS) return;
    const copy = decodeKeepCopy(packet);
    if (!copy.ok) return;
    exchange.keptAt = clock.now();
    batch.change({ type: "peer_copy", row: { peer: session.peer.index, bytes: copy.value } });
  }

  private takeBack(batch: Batch, session: Session, packet: Uint8Array): void {
    const { seed, isBehind, isOld, onOld, events, unknown } = this.options;
    const exchange = this.exchange(session);
    if (exchange.askedAt === undefined || exchange.answered) return;
    exchange.answered = true;
    const bytes = decodeKeptCopy(packet);
    if (!bytes.ok || bytes.value.length === 0) return;
    const copy = openCopy(bytes.value, seed);
    if (copy === undefined) {
      const problem = `${toHex(session.nodeId)} gave back a copy that is not ours, or damaged`;
      batch.afterCommit(() => events.emit({ type: "trouble", problem }));
      return;
    }
    // What we sent was durable before: we can be behind it only where we have lost something.
    if (!isOld() && isBehind(copy)) onOld(batch);
    const channels = unknown(copy);
    if (!isOld() || channels === 0) return;
    const { createdAt } = copy;
    batch.afterCommit(() => events.emit({ type: "newer_copy", peer: session.nodeId, createdAt, channels }));
  }

  private sendDue(batch: Batch): void {
    const { policy, seed, random, clock, sessions, isFunded, isOld } = this.options;
    const { newest } = this;
    // What an old copy knows must not take the place of something better.
    if (!policy.send || newest === undefined || isOld()) return;
    const now = clock.now();
    const due = sessions().flatMap((session) => {
      const exchange = this.exchange(session);
      const heard = exchange.answered || now - (exchange.askedAt ?? now) >= ANSWER_MS;
      return session.ready && heard && session.peerHas("keeps_copies") && isFunded(session)
        ? [{ session, exchange }]
        : [];
    });
    due.sort((a, b) => a.exchange.sentAt - b.exchange.sentAt);
    for (const { session, exchange } of due.slice(0, PEERS_PER_INTERVAL)) {
      exchange.sentAt = now;
      session.sendUncounted(batch, encodeKeepCopy(sealCopy(newest, seed, random)));
    }
  }
}
