import { ChainError, type ChainEvent } from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";
import { bytesFromHex, readBlockHash, readFields } from "./answers.ts";
import { doublingDelay } from "./doubling-delay.ts";
import type { JsonRpc } from "./json-rpc.ts";
import { type ZmqSubscriber, zmqSubscriber } from "./zmq-subscriber.ts";

/**
 * How the node's news arrive:
 *
 *     every pollMs          getbestblockhash, and getrawmempool unless ZMQ sends the transactions
 *     waitfornewblock       instead of a timer, where the node has it: a block is then seen at once
 *     ZMQ hashblock         instead of both: wakes the poll, which goes on as a safety net
 *     ZMQ rawtx             instead of getrawmempool, which on a full mempool is an answer of many megabytes;
 *                           getrawmempool comes back while the publisher can't be reached
 */
export type WatchOptions = {
  readonly rpc: JsonRpc;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly requestTimeoutMs: number;
  readonly zmq: ZmqEndpoints;
};

/** Where bitcoind publishes, as given to its options `zmqpubhashblock` and `zmqpubrawtx`: `tcp://host:port`. */
export type ZmqEndpoints = { readonly hashBlock?: string; readonly rawTx?: string };

export type ChainWatch = {
  /** Remembers the present state, then reports what changes. Throws ChainError if the node cannot be asked now. */
  start(): Promise<void>;
  subscribe(listener: (event: ChainEvent) => void): () => void;
  close(): void;
};

/** 600,000 ids in JSON: twice what a mempool of the default size has held. */
const MAX_MEMPOOL_BYTES = 40_000_000;
/** So many new transactions are fetched in one poll; the others wait for the next. */
const MAX_FETCHED = 200;
const MAX_FETCHED_BYTES = 40_000_000;

type Listener = (event: ChainEvent) => void;

/** A pause that ends early when woken, at once if it was woken since the last one. */
function pauses(clock: Clock): { pause(ms: number): Promise<void>; wake(): void } {
  let woken = false;
  let end: (() => void) | undefined;
  return {
    pause(ms) {
      return new Promise((resolve) => {
        const cancel = clock.after(ms, () => end?.());
        end = () => {
          cancel();
          end = undefined;
          woken = false;
          resolve();
        };
        if (woken) end();
      });
    },
    wake() {
      woken = true;
      end?.();
    },
  };
}

/** Tells which transactions of the mempool are new since the last look. */
function mempoolLook(rpc: JsonRpc): (first: boolean) => Promise<readonly Uint8Array[]> {
  let known: ReadonlySet<string> = new Set();

  async function fetch(ids: readonly string[]): Promise<Uint8Array[]> {
    const params = ids.map((id) => [id]);
    const answers = await rpc.batch("getrawtransaction", params, { maxBytes: MAX_FETCHED_BYTES });
    // A refusal: it has left the mempool meanwhile.
    return answers.flatMap((answer) => (answer.ok ? (bytesFromHex(answer.value) ?? []) : []));
  }

  return async (first) => {
    try {
      const answer = await rpc.call("getrawmempool", [], { maxBytes: MAX_MEMPOOL_BYTES });
      if (!answer.ok || !Array.isArray(answer.value)) return [];
      const present = answer.value.filter((id) => typeof id === "string");
      const fresh = first ? [] : present.filter((id) => !known.has(id)).slice(0, MAX_FETCHED);
      const taken = new Set(fresh);
      known = new Set(first ? present : present.filter((id) => known.has(id) || taken.has(id)));
      return await fetch(fresh);
    } catch (error) {
      // Too long to read now is too long at the next look, too: these are left out, and the tip must not suffer.
      if (error instanceof ChainError && error.code === "bad_response") return [];
      throw error;
    }
  };
}

/** Throws TypeError for an unusable endpoint. */
export function chainWatch(options: WatchOptions): ChainWatch {
  const { rpc, clock, pollMs, zmq } = options;
  const listeners = new Set<Listener>();
  const { pause, wake } = pauses(clock);
  const newTransactions = mempoolLook(rpc);
  const delay = doublingDelay();
  let tip = "";
  /** Whether looks list the mempool, and whether the next listing only says where to start from. */
  let listing = true;
  let firstListing = true;
  let subscribedAt: number | undefined;
  let longPoll = zmq.hashBlock === undefined;
  let started = false;
  let closed = false;

  function send(event: ChainEvent): void {
    for (const listener of [...listeners]) {
      if (closed || !listeners.has(listener)) continue;
      try {
        listener(event);
      } catch {
        // The port says so: a listener's fault must not silence the chain for the others.
      }
    }
  }

  async function bestBlock(): Promise<string> {
    const answer = await rpc.call("getbestblockhash", []);
    if (!answer.ok) throw new ChainError("bad_response", `getbestblockhash: ${answer.error.message}`);
    readBlockHash("getbestblockhash", answer.value);
    return String(answer.value);
  }

  async function look(after: "start" | "pause" | "outage"): Promise<void> {
    const from = clock.now();
    const best = await bestBlock();
    const moved = best !== tip;
    tip = best;
    if (after === "outage" || (after === "pause" && moved)) send({ type: "tip" });
    if (!listing) return;
    const transactions = await newTransactions(firstListing);
    // The publisher takes up a subscription some time after it was sent; listing covers that time.
    listing = subscribedAt === undefined || from - subscribedAt < pollMs;
    // When listing begins again, all that came by ZMQ meanwhile would look new.
    firstListing = !listing;
    for (const transaction of transactions) send({ type: "mempool", transaction });
  }

  /** Returns when it is time for the next look. */
  async function idle(): Promise<void> {
    const from = clock.now();
    if (longPoll) {
      const limits = { timeoutMs: pollMs + options.requestTimeoutMs };
      try {
        const answer = await rpc.call("waitfornewblock", [pollMs], limits);
        if (!answer.ok) longPoll = false;
        else if (readFields("waitfornewblock", answer.value).text("hash") !== tip) return;
      } catch (error) {
        // Some nodes let a caller use listed methods only.
        if (!(error instanceof ChainError) || error.code !== "unauthorized") throw error;
        longPoll = false;
      }
    }
    const left = from + pollMs - clock.now();
    if (left > 0) await pause(left);
  }

  async function run(): Promise<void> {
    let failed = false;
    while (!closed) {
      try {
        if (!failed) await idle();
        if (!closed) await look(failed ? "outage" : "pause");
        failed = false;
        delay.reset();
      } catch {
        // Who calls the chain meets the same failure and learns its cause; here only its end matters.
        failed = true;
        if (!closed) await pause(delay.next());
      }
    }
  }

  const subscribers: ZmqSubscriber[] = [];
  const common = { clock, handshakeTimeoutMs: options.requestTimeoutMs };
  if (zmq.hashBlock !== undefined) {
    const hooks = { onSubscribed: wake, onLost: () => {}, onMessage: wake };
    subscribers.push(zmqSubscriber({ ...common, ...hooks, endpoint: zmq.hashBlock, topic: "hashblock" }));
  }
  if (zmq.rawTx !== undefined) {
    const hooks = {
      onSubscribed() {
        subscribedAt = clock.now();
        wake();
      },
      onLost() {
        subscribedAt = undefined;
        listing = true;
      },
      onMessage: (transaction: Uint8Array) => send({ type: "mempool", transaction }),
    };
    subscribers.push(zmqSubscriber({ ...common, ...hooks, endpoint: zmq.rawTx, topic: "rawtx" }));
  }

  return {
    async start() {
      if (started || closed) return;
      await look("start");
      if (started || closed) return;
      started = true;
      for (const subscriber of subscribers) subscriber.open();
      void run();
    },
    subscribe(listener) {
      // A function may be given twice, and each time is ended by its own hand.
      const own: Listener = (event) => listener(event);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    close() {
      closed = true;
      for (const subscriber of subscribers) subscriber.close();
      listeners.clear();
      wake();
    },
  };
}
