import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Chain, embeddedChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import { openNode } from "../../src/node/index.ts";

it.each([
  ["", false],
  [" with pre-staging", true],
])("two nodes open a channel%s, pay and close over loopback", async (_, prestage) => {
  const clock = systemClock();
  const chain = new Chain(clock);
  chain.mine(101);
  const open = async (name: string) =>
    openNode({ directory: mkdtempSync(join(tmpdir(), `sluice-${name}-`)), chain: embeddedChain(chain, clock) });
  const alice = await open("alice");
  const bob = await open("bob");
  const address = await alice.newAddress();
  const script = addressToScript(address, "regtest");
  if (!script.ok) throw new Error("no script");
  chain.fund(script.value, 5_000_000n);
  const block = new Promise<void>((resolve) => alice.subscribe((event) => event.type === "block" && resolve()));
  chain.mine(1);
  await block;
  expect(alice.balance().confirmedSat).toBe(5_000_000n);
  const where = await bob.listen({ host: "127.0.0.1", port: 0 });
  await alice.connect(bob.nodeId, where);
  const opened = await alice.openChannel(bob.nodeId, {
    amountSat: 1_000_000n as Satoshi,
    pushMsat: 200_000_000n as Msat,
    prestage,
  });
  if (!opened.ok) throw new Error(opened.error.type);
  await alice.untilChannel(opened.value, (channel) => channel.stage === "awaiting_depth");
  chain.mine(6);
  await alice.untilChannel(opened.value, (channel) => channel.stage === "open");
  const paid = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const invoice = await bob.createInvoice({ amountMsat: 1_000_000n as Msat });
      if (!invoice.ok) throw new Error("invoice");
      const { paymentHash } = invoice.value;
      const sent = await alice.pay(opened.value, { id: `p${i}`, paymentHash, amountMsat: 1_000_000n as Msat });
      if (!sent.ok) throw new Error(sent.error.type);
      return alice.untilPaid(`p${i}`);
    }),
  );
  expect(paid.every((payment) => payment?.state === "succeeded")).toBe(true);
  const closed = await alice.closeChannel(opened.value);
  expect(closed.ok).toBe(true);
  await alice.untilChannel(opened.value, (channel) => channel.stage === "close_agreed");
  await bob.untilChannel(0, (channel) => channel.stage === "close_agreed");
  chain.mine(6);
  await alice.untilChannel(opened.value, (channel) => channel.stage === "closed");
  await bob.untilChannel(0, (channel) => channel.stage === "closed");
  // The anchor's fee, and half of the close's each; the channel's money has come back to the wallets.
  const total = alice.balance().confirmedSat + bob.balance().confirmedSat;
  expect(total).toBeLessThan(5_000_000n);
  expect(total).toBeGreaterThan(4_995_000n);
  expect(bob.balance().confirmedSat).toBeGreaterThan(399_000n);
  await alice.stop();
  await bob.stop();
});
