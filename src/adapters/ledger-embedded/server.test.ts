import { get } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fill } from "../../../test/support/ledger-scene.ts";
import { MAX_TRANSACTION_BYTES } from "../../core/contract-channel/index.ts";
import { virtualClock } from "../../testing/index.ts";
import { systemRandom } from "../system/index.ts";
import { type EmbeddedLedger, openLedger, serveLedger } from "./index.ts";

let ledger: EmbeddedLedger;
let server: Awaited<ReturnType<typeof serveLedger>>;
const clock = virtualClock();

async function start(allowed: { mining: boolean; faucet: boolean }): Promise<void> {
  ledger = openLedger({ directory: undefined, clock, random: systemRandom() });
  server = await serveLedger({ ledger, clock, port: 0, ...allowed });
}

beforeEach(() => start({ mining: true, faucet: true }));
afterEach(async () => {
  await server.close();
  ledger.close();
});

async function ask(path: string, body?: string, type = "application/json"): Promise<{ status: number; json: unknown }> {
  const answer = await fetch(new URL(path, server.url), {
    ...(body === undefined ? {} : { method: "POST", body, headers: { "content-type": type } }),
  });
  return { status: answer.status, json: await answer.json() };
}

const ACCOUNT = Buffer.from(fill(5)).toString("hex");

describe("the ledger's server", () => {
  it("speaks snake_case, with amounts as decimal strings", async () => {
    expect((await ask("/v1/ledger")).json).toMatchObject({
      terms: {
        domain: { chain_hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
        fees: { action: "10" },
        max_time_gas: 20_000,
      },
      scheme: "ed25519",
      unit_scale: 8,
      tick_ms: { least: 0, most: null },
      finality: 1,
    });
    await ask("/v1/faucet", JSON.stringify({ account: ACCOUNT, amount: "9007199254740993" }));
    expect(
      (await ask("/v1/faucet", JSON.stringify({ account: ACCOUNT, amount: "900719925474099" }))).json,
    ).toMatchObject({
      type: "accepted",
    });
    expect((await ask("/v1/blocks", "{}")).json).toMatchObject({ height: 1, tick: 1, cursor: 0 });
    expect((await ask(`/v1/accounts/${ACCOUNT}`)).json).toStrictEqual({ balance: "900719925474099", nonce: "0" });
  });

  it("gives neither blocks nor money unless it was told to", async () => {
    await server.close();
    ledger.close();
    await start({ mining: false, faucet: false });
    expect((await ask("/v1/blocks", "{}")).status).toBe(404);
    expect((await ask("/v1/faucet", JSON.stringify({ account: ACCOUNT, amount: "5" }))).status).toBe(404);
    expect((await ask("/v1/tip")).json).toMatchObject({ height: 0 });
  });

  it.each<[string, string, string | undefined, number]>([
    ["an id that is too short", "/v1/accounts/00ff", undefined, 400],
    ["an id that is no hexadecimal", `/v1/accounts/${"zz".repeat(32)}`, undefined, 400],
    ["a cursor that is no number", "/v1/log?after=-1", undefined, 400],
    ["a page without end", "/v1/log?limit=99999", undefined, 400],
    ["a channel that is no id", "/v1/log?channel_id=12", undefined, 400],
    ["a contract without a slot", `/v1/channels/${ACCOUNT}/contract?leaf_hash=${ACCOUNT}`, undefined, 400],
    ["a transaction that is no text", "/v1/transactions", '{"transaction":5}', 400],
    ["no transaction", "/v1/transactions", "[]", 400],
    ["what is not JSON", "/v1/transactions", "{", 400],
    ["more than there is of blocks", "/v1/blocks", '{"count":1000000}', 400],
    ["a wish without a number", "/v1/faucet", `{"account":"${ACCOUNT}"}`, 400],
    ["a path that is none", "/v1/nothing", undefined, 404],
  ])("tells %s from a request", async (_, path, body, status) => {
    expect((await ask(path, body)).status).toBe(status);
  });

  it("reads no more than a transaction's length, and nothing that a page of another origin can send", async () => {
    const long = JSON.stringify({ transaction: "00".repeat(MAX_TRANSACTION_BYTES + 1024) });
    expect((await ask("/v1/transactions", long)).status).toBe(413);
    const most = JSON.stringify({ transaction: "ff".repeat(MAX_TRANSACTION_BYTES) });
    expect((await ask("/v1/transactions", most)).json).toMatchObject({
      type: "refused",
      refusal: { type: "malformed" },
    });
    expect((await ask("/v1/blocks", "{}", "text/plain")).status).toBe(415);
    const bare = await fetch(new URL("/v1/blocks", server.url), { method: "POST" });
    expect(bare.status).toBe(400);
    const port = new URL(server.url).port;
    const rebound = await new Promise<number | undefined>((resolve, reject) => {
      const options = { port, path: "/v1/tip", headers: { host: `ledger.example:${port}` } };
      get(options, (response) => resolve(response.resume().statusCode)).on("error", reject);
    });
    expect(rebound).toBe(403);
    expect(ledger.tip().height).toBe(0);
  });

  it("holds a request for the tip until there is another, or its time is over", async () => {
    const { hash } = ledger.tip();
    const known = Buffer.from(hash).toString("hex");
    expect((await ask(`/v1/wait?hash=${ACCOUNT}`)).json).toMatchObject({ height: 0 });
    const waiting = ask(`/v1/wait?hash=${known}&timeout_ms=500`);
    await ask("/v1/blocks", "{}");
    expect((await waiting).json).toMatchObject({ height: 1 });
    const tip = Buffer.from(ledger.tip().hash).toString("hex");
    let isOver = false;
    const over = ask(`/v1/wait?hash=${tip}&timeout_ms=500`).then((answer) => {
      isOver = true;
      return answer;
    });
    while (!isOver) {
      await ask("/v1/tip");
      await clock.advance(100);
    }
    expect((await over).json).toMatchObject({ height: 1 });
  });
});
