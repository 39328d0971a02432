// Copies of the node's data with its peers, and those of peers with us:
//
//   both are ready        we  --- ask_copy --->  peer
//                         we  <-- kept_copy ---  peer     what we sent to it before, perhaps long ago
//   then                  we  --- keep_copy -->  peer
//   and every minute      we  --- keep_copy -->  peer     to eight peers at most, in turns
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
import type { Backup, Pause } from "./backup.ts";
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
/** So much may a timer be early. */
const JITTER_MS = 5_000;
/** Peers that get a copy in one interval: at most 512,000 bytes a minute. */
const PEERS_PER_INTERVAL = 8;
/** A peer that does not answer is sent a copy all the same. */
const ANSWER_MS = 60_000;
/** Half of what a peer waits at least, since clocks and networks are no metronomes; sooner ones are dropped. */
const LEAST_INTERVAL_MS = 30_000;
/** On one connection: an honest peer asks once on each, and a new one costs it a handshake. */
const LEAST_ASKING_MS = 10_000;

/** What went on with one peer. Times in the clock's milliseconds. */
type Exchange = {
  /** On the present connection. */
  askedAt: number | undefined;
  answered: boolean;
  /** On the present connection, too: whether a copy went out, and whether one of the peer's was kept. */
  sent: boolean;
  kept: boolean;
  sentAt: number;
  keptAt: number;
  givenAt: number;
  givenOn: object | undefined;
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
  async renew(backup: Backup, pause: Pause): Promise<void> {
    // One that lacks a channel must not take the place of one that has it.
    if (backup.missing.length > 0) return;
    if (!this.options.policy.send) return;
    this.newest = await makeCopy(backup, pause);
    this.options.journal.post("other", (batch) => this.sendFirst(batch));
  }

  private exchange(session: Session): Exchange {
    const found = this.exchanges.get(session);
    if (found !== undefined) return found;
    const never = Number.NEGATIVE_INFINITY;
    const exchange: Exchange = {
      askedAt: undefined,
      answered: false,
      sent: false,
      kept: false,
      sentAt: never,
      keptAt: never,
      givenAt: never,
      givenOn: undefined,
    };
    this.exchanges.set(session, exchange);
    return exchange;
  }

  /** Both authenticates are exchanged. */
  ready(batch: Batch, session: Session): void {
    const exchange = this.exchange(session);
    exchange.askedAt = undefined;
    exchange.answered = false;
    exchange.sent = false;
    exchange.kept = false;
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
    const { present } = session;
    if (exchange.givenOn === present && clock.now() - exchange.givenAt < LEAST_ASKING_MS) return;
    exchange.givenAt = clock.now();
    exchange.givenOn = present;
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
    if (exchange.kept) return;
    exchange.kept = true;
    batch.afterCommit(() => this.options.events.emit({ type: "copy_kept", peer: session.nodeId }));
  }

  private takeBack(batch: Batch, session: Session, packet: Uint8Array): void {
    const exchange = this.exchange(session);
    if (exchange.askedAt === undefined || exchange.answered) return;
    exchange.answered = true;
    this.look(batch, session, packet);
    this.sendFirst(batch);
  }

  private look(batch: Batch, session: Session, packet: Uint8Array): void {
    const { seed, isBehind, isOld, onOld, events, unknown } = this.options;
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

  /** To peers that have not got one on the present connection: a channel may just have been opened. */
  private sendFirst(batch: Batch): void {
    this.sendTo(
      batch,
      this.due().filter(({ exchange }) => !exchange.sent),
    );
  }

  private sendDue(batch: Batch): void {
    const now = this.options.clock.now();
    const due = this.due().filter(({ exchange }) => now - exchange.sentAt >= INTERVAL_MS - JITTER_MS);
    const longest = due.sort((a, b) => a.exchange.sentAt - b.exchange.sentAt);
    this.sendTo(batch, longest.slice(0, PEERS_PER_INTERVAL));
  }

  /** Peers that would keep a copy, and that have answered what we asked, or had the time for it. */
  private due(): { readonly session: Session; readonly exchange: Exchange }[] {
    const { clock, sessions, isFunded } = this.options;
    const now = clock.now();
    return sessions().flatMap((session) => {
      const exchange = this.exchange(session);
      const heard = exchange.answered || now - (exchange.askedAt ?? now) >= ANSWER_MS;
      const would = session.ready && heard && session.peerHas("keeps_copies") && isFunded(session);
      return would ? [{ session, exchange }] : [];
    });
  }

  private sendTo(batch: Batch, peers: ReturnType<Copies["due"]>): void {
    const { policy, seed, random, clock, isOld } = this.options;
    const { newest } = this;
    // What an old copy knows must not take the place of something better.
    if (!policy.send || newest === undefined || isOld()) return;
    for (const { session, exchange } of peers) {
      exchange.sent = true;
      exchange.sentAt = clock.now();
      session.sendUncounted(batch, encodeKeepCopy(sealCopy(newest, seed, random)));
    }
  }
}
