import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openLedger, serveLedger } from "../../src/adapters/ledger-embedded/index.ts";
import { httpLedger } from "../../src/adapters/ledger-http/index.ts";
import { systemClock, systemRandom } from "../../src/adapters/system/index.ts";
import { describeLedger, type LedgerFixture } from "../support/ledger-suite.ts";

async function open(): Promise<LedgerFixture> {
  const directory = mkdtempSync(join(tmpdir(), "sluice-ledger-"));
  const clock = systemClock();
  const start = async (port: number) => {
    const ledger = openLedger({ directory, clock, random: systemRandom(), retractable: 5 });
    const server = await serveLedger({ ledger, clock, port, mining: true, faucet: true });
    return { ledger, server };
  };
  let running = await start(0);
  const { url } = running.server;
  const ledger = httpLedger({ url, clock, requestTimeoutMs: 20_000 });
  const post = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(new URL(path, url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await answer.text());
  };
  const stop = async (): Promise<void> => {
    await running.server.close();
    running.ledger.close();
  };
  return {
    ledger,
    mine: (count) => post("/v1/blocks", { count }),
    faucet: (account, amount) =>
      post("/v1/faucet", { account: Buffer.from(account).toString("hex"), amount: String(amount) }),
    async retract(depth) {
      running.ledger.retract(depth);
      running.ledger.mine(depth);
    },
    // The client stays, and finds the server again.
    async restart() {
      await stop();
      running = await start(Number(new URL(url).port));
    },
    async close() {
      await ledger.close();
      await stop();
      rmSync(directory, { recursive: true });
    },
  };
}

it("tells a server that was started on other data from the one before", async () => {
  const clock = systemClock();
  const start = async (port: number) => {
    const ledger = openLedger({ directory: undefined, clock, random: systemRandom() });
    return { ledger, server: await serveLedger({ ledger, clock, port, mining: false, faucet: false }) };
  };
  const first = await start(0);
  const { url } = first.server;
  const client = httpLedger({ url, clock, requestTimeoutMs: 20_000 });
  expect(await client.tip()).toMatchObject({ height: 0 });
  await first.server.close();
  first.ledger.close();
  await expect(client.tip()).rejects.toMatchObject({ code: "unreachable", retryable: true });
  const second = await start(Number(new URL(url).port));
  await expect(client.tip()).rejects.toMatchObject({ code: "other_ledger", retryable: false });
  await client.close();
  await second.server.close();
  second.ledger.close();
});

describeLedger("the embedded ledger, served over HTTP,", open);
