import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type FakeBitcoind,
  type FakeCall,
  fakeBitcoind,
  refusal,
  result,
  type WatchedClock,
  watchedClock,
} from "../../../test/support/fake-bitcoind.ts";
import { type FakePublisher, fakePublisher } from "../../../test/support/fake-publisher.ts";
import { toHex } from "../../core/base/index.ts";
import type { ChainEvent } from "../../ports/bitcoin-chain.ts";
import { type ChainWatch, chainWatch } from "./chain-watch.ts";
import { type JsonRpc, jsonRpc } from "./json-rpc.ts";

/** Not one of the pauses between attempts, which the clock could not tell from it. */
const POLL_MS = 1700;
const TIMEOUT_MS = 7000;

const hash = (n: number): string => n.toString(16).padStart(64, "0");

describe("the watch for news, polling", () => {
  let node: FakeBitcoind;
  let clock: WatchedClock;
  let rpc: JsonRpc;
  let watch: ChainWatch;
  let events: string[];
  let tip: string;
  let mempool: Map<string, string>;
  let override: (call: FakeCall) => FakeAnswer | undefined;

  beforeEach(async () => {
    tip = hash(1);
    mempool = new Map();
    override = () => undefined;
    node = await fakeBitcoind((call) => override(call) ?? usual(call));
    clock = watchedClock();
    const auth = { type: "password", user: "u", password: "p" } as const;
    rpc = jsonRpc({ url: node.url, auth, clock, requestTimeoutMs: TIMEOUT_MS });
    watch = chainWatch({ rpc, clock, pollMs: POLL_MS, requestTimeoutMs: TIMEOUT_MS, zmq: {} });
    events = [];
    watch.subscribe((event) => events.push(written(event)));
  });
  afterEach(async () => {
    watch.close();
    rpc.close();
    await node.close();
  });

  function usual({ method, params }: FakeCall): FakeAnswer {
    if (method === "getbestblockhash") return result(tip);
    if (method === "getrawmempool") return result([...mempool.keys()]);
    if (method === "getrawtransaction") {
      const raw = mempool.get(String(params[0]));
      return raw === undefined ? refusal(-5, "No such mempool transaction") : result(raw);
    }
    return refusal(-32601, "Method not found");
  }

  function written(event: ChainEvent): string {
    return event.type === "tip" ? "tip" : `mempool ${toHex(event.transaction)}`;
  }

  /** Lets one poll happen and waits until the watch pauses again. */
  async function poll(ms = POLL_MS, nextPause = POLL_MS): Promise<void> {
    await clock.armed(ms);
    await clock.advance(ms);
    await clock.armed(nextPause);
  }

  it("reports nothing of what was there at the start", async () => {
    mempool.set(hash(50), "aa");
    await watch.start();
    await poll();
    expect(events).toEqual([]);
  });

  it("reports each change of the tip once", async () => {
    await watch.start();
    tip = hash(2);
    await poll();
    expect(events).toEqual(["tip"]);
    await poll();
    tip = hash(1);
    await poll();
    expect(events).toEqual(["tip", "tip"]);
  });

  it("reports each transaction that enters the mempool, again if it comes back", async () => {
    await watch.start();
    mempool.set(hash(50), "aa").set(hash(51), "bb");
    await poll();
    await poll();
    expect(events).toEqual(["mempool aa", "mempool bb"]);
    mempool.delete(hash(50));
    await poll();
    mempool.set(hash(50), "aa");
    await poll();
    expect(events).toEqual(["mempool aa", "mempool bb", "mempool aa"]);
  });

  it("reports the tip before the mempool", async () => {
    await watch.start();
    mempool.set(hash(50), "aa");
    tip = hash(2);
    await poll();
    expect(events).toEqual(["tip", "mempool aa"]);
  });

  it("fetches many new transactions in parts, and reports each once", async () => {
    await watch.start();
    for (let i = 0; i < 450; i++) mempool.set(hash(100 + i), i.toString(16).padStart(4, "0"));
    await poll();
    expect(events).toHaveLength(200);
    await poll();
    await poll();
    await poll();
    expect(events).toHaveLength(450);
    expect(new Set(events).size).toBe(450);
  });

  it("leaves out transactions that have gone, or are no hexadecimal", async () => {
    await watch.start();
    mempool.set(hash(50), "aa").set(hash(51), "xyz").set(hash(52), "cc");
    override = ({ method, params }) =>
      method === "getrawtransaction" && params[0] === hash(50) ? refusal(-5, "gone") : undefined;
    await poll();
    expect(events).toEqual(["mempool cc"]);
  });

  it("goes on with the tip where the mempool can't be read", async () => {
    await watch.start();
    for (const body of [
      "not JSON",
      '{"id":0,"result":{},"error":null}',
      `{"id":0,"result":"${"x".repeat(41_000_000)}"}`,
    ]) {
      override = ({ method }) => (method === "getrawmempool" ? { type: "http", status: 200, body } : undefined);
      tip = hash(events.length + 2);
      await poll();
    }
    expect(events).toEqual(["tip", "tip", "tip"]);
  });

  it("skips transactions that are too long to fetch together, and goes on with later ones", async () => {
    await watch.start();
    override = ({ method }) => (method === "getrawtransaction" ? { type: "http", status: 200, body: "[" } : undefined);
    mempool.set(hash(50), "aa");
    await poll();
    override = () => undefined;
    mempool.set(hash(51), "bb");
    await poll();
    expect(events).toEqual(["mempool bb"]);
  });

  it("goes on past a listener that throws", async () => {
    const later: string[] = [];
    watch.subscribe(() => {
      throw new Error("the listener's own");
    });
    watch.subscribe((event) => later.push(written(event)));
    await watch.start();
    for (const n of [2, 3]) {
      tip = hash(n);
      await poll();
    }
    expect(later).toEqual(["tip", "tip"]);
  });

  it("does not call a listener that another one has ended in the same event", async () => {
    const called: string[] = [];
    const ends: (() => void)[] = [];
    ends.push(watch.subscribe(() => called.push("first") && ends[1]?.()));
    ends.push(watch.subscribe(() => called.push("second")));
    await watch.start();
    tip = hash(2);
    await poll();
    expect(called).toEqual(["first"]);
  });

  it("starts once, however often it is asked, and says if it can't", async () => {
    override = () => refusal(-1, "no");
    await expect(watch.start()).rejects.toMatchObject({ code: "bad_response" });
    expect(clock.waiting()).toEqual([]);
    override = () => undefined;
    await Promise.all([watch.start(), watch.start()]);
    await watch.start();
    tip = hash(2);
    await poll();
    expect(events).toEqual(["tip"]);
  });

  it("tries again with growing pauses while the node is away, and sends a tip event once it is back", async () => {
    await watch.start();
    await clock.armed(POLL_MS);
    override = () => ({ type: "http", status: 503, body: "" });
    await poll(POLL_MS, 500);
    for (const [pause, next] of [
      [500, 1000],
      [1000, 2000],
      [2000, 4000],
    ] as const)
      await poll(pause, next);
    expect(events).toEqual([]);
    override = () => undefined;
    mempool.set(hash(50), "aa");
    await poll(4000);
    expect(events).toEqual(["tip", "mempool aa"]);
    override = () => ({ type: "raw", write: (response) => response.destroy() });
    await poll(POLL_MS, 500);
    override = () => undefined;
    await poll(500);
    expect(events).toEqual(["tip", "mempool aa", "tip"]);
  });

  it("stops at close: while it pauses, and while it asks", async () => {
    await watch.start();
    await clock.armed(POLL_MS);
    watch.close();
    expect(clock.waiting()).toEqual([]);
    const other = chainWatch({ rpc, clock, pollMs: POLL_MS, requestTimeoutMs: TIMEOUT_MS, zmq: {} });
    const seen: ChainEvent[] = [];
    other.subscribe((event) => seen.push(event));
    await other.start();
    const asked = new Promise<void>((resolve) => {
      override = ({ method }) => {
        if (method !== "getbestblockhash") return undefined;
        return {
          type: "raw",
          write(response) {
            other.close();
            response.end(`{"id":0,"result":"${hash(9)}"}`, resolve);
          },
        };
      };
    });
    await clock.armed(POLL_MS);
    await clock.advance(POLL_MS);
    await asked;
    // The watch has read that answer when the next call on the same client is answered.
    override = () => undefined;
    await rpc.call("getbestblockhash", []);
    expect(seen).toEqual([]);
    expect(clock.waiting()).toEqual([]);
  });

  describe("where a publisher sends the transactions", () => {
    let publisher: FakePublisher;
    let other: ChainWatch;
    let seen: string[];

    beforeEach(async () => {
      publisher = await fakePublisher();
      const zmq = { rawTx: publisher.endpoint };
      other = chainWatch({ rpc, clock, pollMs: POLL_MS, requestTimeoutMs: TIMEOUT_MS, zmq });
      seen = [];
      other.subscribe((event) => seen.push(written(event)));
    });
    afterEach(async () => {
      other.close();
      await publisher.close();
    });

    const listings = (): number => node.calls.filter((call) => call.method === "getrawmempool").length;

    /** Waits until an event was seen that the test brings about by a message. */
    async function published(body: number): Promise<void> {
      const heard = new Promise<void>((resolve) => {
        const end = other.subscribe(() => {
          end();
          resolve();
        });
      });
      publisher.publish("rawtx", Uint8Array.of(body));
      await heard;
    }

    it("lists the mempool until the subscription has surely been taken up, and no longer", async () => {
      await other.start();
      await publisher.subscribed();
      mempool.set(hash(50), "aa");
      await published(0xbb);
      for (let i = 0; i < 3; i++) await poll();
      expect(seen.toSorted()).toEqual(["mempool aa", "mempool bb"]);
      const before = listings();
      for (let i = 0; i < 3; i++) await poll();
      expect(listings()).toBe(before);
    });

    it("lists it again when the publisher is lost, without reporting what it had sent", async () => {
      await other.start();
      await publisher.subscribed();
      for (let i = 0; i < 3; i++) await poll();
      await published(0xaa);
      mempool.set(hash(50), "aa");
      await publisher.close();
      await clock.armed(500);
      await poll();
      mempool.set(hash(51), "bb");
      await poll();
      expect(seen).toEqual(["mempool aa", "mempool bb"]);
    });
  });

  describe("where the node has waitfornewblock", () => {
    it("asks to be told within the time of a poll, and looks as soon as it is", async () => {
      const waits: (() => void)[] = [];
      let asked = (): void => {};
      override = ({ method, params }) => {
        if (method !== "waitfornewblock") return undefined;
        expect(params).toEqual([POLL_MS]);
        return {
          type: "raw",
          write(response) {
            waits.push(() => response.end(`{"id":0,"result":{"hash":"${tip}","height":1}}`));
            asked();
          },
        };
      };
      const nextWait = (): Promise<void> =>
        new Promise((resolve) => {
          asked = resolve;
        });
      let waiting = nextWait();
      await watch.start();
      await waiting;
      expect(clock.waiting()).toEqual([POLL_MS + TIMEOUT_MS]);
      tip = hash(2);
      waiting = nextWait();
      waits.shift()?.();
      await waiting;
      expect(events).toEqual(["tip"]);
    });

    it("does not spin where the node returns at once with nothing new", async () => {
      override = ({ method }) => (method === "waitfornewblock" ? result({ hash: tip, height: 1 }) : undefined);
      await watch.start();
      await poll();
      await poll();
      expect(node.calls.filter((call) => call.method === "waitfornewblock").length).toBeLessThanOrEqual(3);
    });

    it("asks no more once it is refused or forbidden", async () => {
      for (const no of [refusal(-32601, "Method not found"), { type: "http", status: 403, body: "" } as const]) {
        const other = chainWatch({ rpc, clock, pollMs: POLL_MS, requestTimeoutMs: TIMEOUT_MS, zmq: {} });
        override = ({ method }) => (method === "waitfornewblock" ? no : undefined);
        node.calls.length = 0;
        await other.start();
        await poll();
        await poll();
        other.close();
        expect(node.calls.filter((call) => call.method === "waitfornewblock")).toHaveLength(1);
      }
    });
  });
});
