import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SharedChain, TwoProcesses as Two } from "../processes/two-processes.ts";
import { type Bitcoind, findBitcoind, startBitcoind } from "../support/bitcoind.ts";

/** The same as the embedded chain in `two-processes.ts`, on a real node. */
function sharedChain(bitcoind: Bitcoind): SharedChain {
  return {
    access: { url: bitcoind.rpcUrl, auth: { type: "cookie", file: bitcoind.cookieFile } },
    async fund(address, amountSat) {
      await bitcoind.send(address, amountSat);
      await bitcoind.mine(1);
    },
    mine: async (blocks) => void (await bitcoind.mine(blocks)),
    height: () => bitcoind.rpc<number>("getblockcount"),
    close: () => bitcoind.stop(),
  };
}

describe.skipIf(findBitcoind() === undefined)("two processes on a real Bitcoin node", () => {
  const AMOUNT_MSAT = 1_000_000n;
  let two: Two;
  let bitcoind: Bitcoind;

  beforeAll(async () => {
    const program = new URL("../../.cache/processes/test/processes/two-processes.js", import.meta.url);
    const { TwoProcesses } = (await import(program.href)) as typeof import("../processes/two-processes.ts");
    bitcoind = await startBitcoind();
    await bitcoind.mine(101);
    two = new TwoProcesses(sharedChain(bitcoind));
  });

  afterAll(async () => {
    await two.close();
    await bitcoind.stop();
  });

  it("[B2-7] [B2-11] [B2-47] open a channel whose anchor the network accepts", async () => {
    await two.openChannel({ amountSat: 1_000_000n, pushMsat: 400_000_000n });
    const [channel] = await two.alice.call("channels");
    const txid = Buffer.from(channel?.funding?.txid ?? [])
      .reverse()
      .toString("hex");
    const output = await bitcoind.rpc<{ value: number } | null>("gettxout", [txid, channel?.funding?.outputIndex ?? 0]);
    expect(output?.value).toBe(0.01);
  });

  it("pay each other, both ways at once", async () => {
    const toBob = await two.bob.call("invoices", 200, AMOUNT_MSAT);
    const toAlice = await two.alice.call("invoices", 200, AMOUNT_MSAT);
    const options = { channel: 0, amountMsat: AMOUNT_MSAT, inFlight: 50 };
    const [sent, received] = await Promise.all([
      two.alice.call("pay", { ...options, hashes: toBob, prefix: "a" }),
      two.bob.call("pay", { ...options, hashes: toAlice, prefix: "b" }),
    ]);
    for (const report of [sent, received]) {
      expect(report.refused).toEqual([]);
      expect(report.failed).toBe(0);
    }
    for (const name of ["alice", "bob"] as const) {
      const channel = await two[name].until(async () => {
        const [found] = await two[name].call("channels");
        return found?.htlcs === 0 ? found : undefined;
      });
      expect(channel.localMsat + channel.remoteMsat).toBe(1_000_000_000n);
      expect(channel.localMsat).toBe(name === "alice" ? 600_000_000n : 400_000_000n);
    }
  });

  it("[LW-1] [LW-2] [B2-33] close, and the network accepts the one transaction that both built", async () => {
    await two.alice.call("closeChannel", 0);
    await two.untilStage("close_agreed");
    await two.alice.until(async () => ((await bitcoind.rpc<string[]>("getrawmempool")).length > 0 ? true : undefined));
    await two.chain.mine(6);
    await two.untilStage("closed");
    const alice = await two.alice.call("balance");
    const bob = await two.bob.call("balance");
    const fees = 2_000_000n - alice.confirmedSat - bob.confirmedSat;
    // The anchor's fee and the close's; nothing else leaves the two wallets.
    expect(fees).toBeGreaterThan(0n);
    expect(fees).toBeLessThan(5_000n);
    expect(bob.confirmedSat).toBeGreaterThan(398_000n);
  });
});
