import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../core/base/index.ts";
import { Chain, displayHash } from "./chain.ts";
import { FAUCET_SCRIPT } from "./faucet.ts";
import { type ChainServer, serveChain } from "./rpc-server.ts";

const AUTH = { user: "sluice", password: "a long: password" };

/** Timers that end when told; `armed` waits for the next one. */
function handClock() {
  const timers = new Set<{ readonly ms: number; readonly action: () => void }>();
  let tell: (() => void) | undefined;
  return {
    timers,
    now: () => 1_750_000_000_000,
    after(ms: number, action: () => void) {
      const timer = { ms, action };
      timers.add(timer);
      tell?.();
      return () => void timers.delete(timer);
    },
    async armed(): Promise<number> {
      while (timers.size === 0) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      return [...timers][0]?.ms ?? 0;
    },
    ring() {
      for (const { action } of [...timers]) action();
    },
  };
}

type Answer = { result?: unknown; error?: { code: number; message: string } | null; id?: unknown; jsonrpc?: string };

describe("serveChain", () => {
  const clock = handClock();
  let chain: Chain;
  let server: ChainServer;

  beforeEach(async () => {
    chain = new Chain(clock);
    chain.mine(101);
    server = await serveChain({ chain, clock, ...AUTH, port: 0 });
  });
  afterEach(() => server.close());

  function post(body: string, credentials = `${AUTH.user}:${AUTH.password}`): Promise<Response> {
    const authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
    return fetch(server.url, { method: "POST", headers: { authorization }, body });
  }

  async function call(method: string, params: readonly unknown[] = []): Promise<Answer> {
    return (await (await post(JSON.stringify({ id: 1, method, params }))).json()) as Answer;
  }

  const code = async (method: string, ...params: readonly unknown[]) => (await call(method, params)).error?.code;

  it("listens on this machine only, and asks for the password", async () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const wrong of ["", "sluice", "sluice:", "sluice:other", "other:a long: password"]) {
      const response = await post('{"method":"getblockcount"}', wrong);
      expect(response.status).toBe(401);
      expect(await response.text()).toBe("");
    }
    expect((await fetch(server.url, { method: "POST", body: "{}" })).status).toBe(401);
  });

  it("answers in the form of the request, one by one or in a batch", async () => {
    expect(await call("getblockcount")).toEqual({ result: 101, error: null, id: 1 });
    const calls = [{ jsonrpc: "2.0", id: "a", method: "getblockcount" }, { id: 2, method: "nothing" }, 7];
    const response = await post(JSON.stringify(calls));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual([
      { jsonrpc: "2.0", result: 101, id: "a" },
      { result: null, error: { code: -32601, message: "Method not found" }, id: 2 },
      { result: null, error: { code: -32600, message: expect.any(String) }, id: null },
    ]);
  });

  it("gives Core's statuses and codes for what is wrong with a request", async () => {
    expect((await post('{"id":1,"method":"nothing"}')).status).toBe(404);
    expect((await post('{"id":1,"method":"getblockhash","params":[500]}')).status).toBe(500);
    expect((await post('{"id":1}')).status).toBe(400);
    expect(await (await post("{")).json()).toMatchObject({ error: { code: -32700 } });
    expect((await post(JSON.stringify(Array(1001).fill({ method: "getblockcount" })))).status).toBe(400);
    expect((await post(" ".repeat(9_000_001))).status).toBe(413);
  });

  it("gives Core's codes for what is wrong with a call", async () => {
    const unknown = "11".repeat(32);
    expect(await code("getblockhash", 102)).toBe(-8);
    expect(await code("getblockhash", -1)).toBe(-8);
    expect(await code("getblockhash", "1")).toBe(-3);
    expect(await code("getblockhash")).toBe(-1);
    expect(await code("getblock", unknown)).toBe(-5);
    expect(await code("getblock", "11")).toBe(-8);
    expect(await code("getrawtransaction", unknown)).toBe(-5);
    expect(await code("generatetoaddress", 1, "nowhere")).toBe(-5);
    expect(await code("generatetoscript", 10_001, "51")).toBe(-8);
    expect(await code("invalidateblock", displayHash(chain.blockAt(0)?.hash ?? new Uint8Array()))).toBe(-8);
    expect(await code("estimatesmartfee", 0)).toBe(-8);
    expect(await code("sendrawtransaction", "00")).toBe(-22);
    expect(await code("sendrawtransaction", "zz")).toBe(-22);
    expect(await code("constructor")).toBe(-32601);
    expect(await code("__proto__")).toBe(-32601);
  });

  it("takes transactions, refuses them with Core's codes, and knows them", async () => {
    const funded = chain.fund(FAUCET_SCRIPT, 100_000_001n);
    const [waiting] = chain.waiting();
    if (!funded.ok || waiting === undefined) throw new Error("not funded");
    const raw = toHex(waiting.raw);
    const txid = displayHash(waiting.txid);
    expect((await call("sendrawtransaction", [raw])).result).toBe(txid);
    expect((await call("getrawmempool")).result).toEqual([txid]);
    expect((await call("getrawtransaction", [txid])).result).toBe(raw);
    expect(await (await post(`{"id":1,"method":"gettxout","params":["${txid}",0]}`)).text()).toContain(
      '"value":1.00000001,',
    );
    expect((await call("gettxout", [txid, 0, false])).result).toBeNull();
    chain.mine(1);
    const block = displayHash(chain.tip.hash);
    expect((await call("getrawtransaction", [txid, false, block])).result).toBe(raw);
    expect((await call("getblock", [block])).result).toMatchObject({
      tx: [expect.any(String), txid],
      confirmations: 1,
    });
    expect(await code("sendrawtransaction", raw)).toBe(-27);
    chain.invalidate(chain.tip);
    chain.mine(1, { transactions: [] });
    const orphan = `${raw.slice(0, 14)}${"11".repeat(32)}${raw.slice(78)}`;
    expect((await call("sendrawtransaction", [orphan])).error).toEqual({
      code: -25,
      message: "bad-txns-inputs-missingorspent",
    });
    expect((await call("testmempoolaccept", [[orphan]])).result).toMatchObject([{ "reject-reason": "missing-inputs" }]);
  });

  it("mines to addresses and scripts, reorganises, and describes the chain", async () => {
    // P2WPKH of the key in the examples of BIP 173, on regtest.
    const address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    const [hash] = (await call("generatetoaddress", [1, address])).result as string[];
    expect((await call("getblockheader", [hash])).result).toMatchObject({ height: 102, confirmations: 1 });
    expect(toHex(chain.tip.transactions[0]?.transaction.outputs[0]?.script ?? new Uint8Array())).toBe(
      "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    );
    await call("invalidateblock", [hash]);
    expect((await call("getblockcount")).result).toBe(101);
    expect((await call("getblockheader", [hash])).result).toMatchObject({ confirmations: -1 });
    await call("reconsiderblock", [hash]);
    expect((await call("getbestblockhash")).result).toBe(hash);
    expect((await call("generatetoscript", [2, "51"])).result).toHaveLength(2);
    expect((await call("getblockchaininfo")).result).toMatchObject({ chain: "regtest", blocks: 104 });
    expect((await call("getmempoolinfo")).result).toMatchObject({ minrelaytxfee: 0.00001, size: 0 });
    expect((await call("getnetworkinfo")).result).toMatchObject({ relayfee: 0.00001 });
  });

  it("gives the estimate that was set, or says that it has none", async () => {
    expect((await call("estimatesmartfee", [6])).result).toEqual({ errors: [expect.any(String)], blocks: 6 });
    chain.feeEstimate = 12_345;
    expect((await call("estimatesmartfee", [6, "conservative"])).result).toEqual({ feerate: 0.00012345, blocks: 6 });
  });

  it("waits for a block, at most as long as asked and a minute", async () => {
    const waiting = call("waitfornewblock", [1000]);
    await clock.armed();
    chain.mine(1);
    expect((await waiting).result).toEqual({ hash: displayHash(chain.tip.hash), height: 102 });
    for (const [asked, waited] of [
      [500, 500],
      [0, 60_000],
      [1_000_000, 60_000],
    ]) {
      const late = call("waitfornewblock", [asked]);
      expect(await clock.armed()).toBe(waited);
      clock.ring();
      expect((await late).result).toMatchObject({ height: 102 });
    }
    expect(clock.timers.size).toBe(0);
    expect(await code("waitfornewblock", -1)).toBe(-1);
  });

  it("ends calls that wait when it closes", async () => {
    const waiting = call("waitfornewblock", [1000]).catch(() => "ended");
    await clock.armed();
    await server.close();
    await waiting;
    expect(clock.timers.size).toBe(0);
  });
});
