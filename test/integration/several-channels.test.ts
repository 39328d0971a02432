import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Chain, embeddedChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { addressToScript } from "../../src/core/bitcoin/index.ts";
import { openNode, type SluiceNode } from "../../src/node/index.ts";

it("[B2-9] keeps several channels with one peer, opened from either side, and several peers apart", async () => {
  const clock = systemClock();
  const chain = new Chain(clock);
  chain.mine(110);
  const folder = mkdtempSync(join(tmpdir(), "sluice-several-"));
  const open = (name: string) => openNode({ directory: join(folder, name), chain: embeddedChain(chain, clock) });
  const [alice, bob, carol] = await Promise.all([open("alice"), open("bob"), open("carol")]);
  const nextBlock = (node: SluiceNode) =>
    new Promise<void>((resolve) => {
      const unsubscribe = node.subscribe((event) => {
        if (event.type !== "block") return;
        unsubscribe();
        resolve();
      });
    });

  for (const node of [alice, bob]) {
    for (let coin = 0; coin < 3; coin++) {
      const script = addressToScript(await node.newAddress(), "regtest");
      if (!script.ok || !chain.fund(script.value, 2_000_000n).ok) throw new Error("the faucet failed");
    }
  }
  const funded = Promise.all([alice, bob, carol].map(nextBlock));
  chain.mine(1);
  await funded;
  await alice.connect(bob.nodeId, await bob.listen({ host: "127.0.0.1", port: 0 }));
  await bob.untilReady(alice.nodeId);
  await alice.connect(carol.nodeId, await carol.listen({ host: "127.0.0.1", port: 0 }));

  const request = { amountSat: 1_000_000n as Satoshi, pushMsat: 300_000_000n as Msat };
  const opened: [SluiceNode, number][] = [];
  for (const [from, to] of [
    [alice, bob],
    [alice, bob],
    [bob, alice],
    [alice, carol],
  ] as const) {
    const channel = await from.openChannel(to.nodeId, request);
    if (!channel.ok) throw new Error(channel.error.type);
    await from.untilChannel(channel.value, ({ stage }) => stage === "awaiting_depth");
    opened.push([from, channel.value]);
  }
  chain.mine(6);
  for (const [from, channel] of opened) await from.untilChannel(channel, ({ stage }) => stage === "open");
  expect(alice.channels()).toHaveLength(4);
  expect(bob.channels()).toHaveLength(3);

  const payees = [bob, bob, alice, carol];
  const amountMsat = 5_000_000n as Msat;
  await Promise.all(
    opened.map(async ([from, channel], i) => {
      const invoice = await payees[i]?.createInvoice({ amountMsat });
      if (invoice?.ok !== true) throw new Error("no invoice");
      const { paymentHash } = invoice.value;
      const paid = await from.pay(channel, { id: `to ${i}`, paymentHash, amountMsat });
      if (!paid.ok) throw new Error(paid.error.type);
      expect((await from.untilPaid(`to ${i}`))?.state).toBe("succeeded");
    }),
  );
  for (const [from, channel] of opened) expect(from.channel(channel)?.localMsat).toBe(695_000_000n);

  const [first, second] = opened;
  if (first === undefined || second === undefined) throw new Error("no channels");
  expect((await alice.closeChannel(first[1])).ok).toBe(true);
  await alice.untilChannel(first[1], ({ stage }) => stage === "close_agreed");
  expect(alice.channel(second[1])?.stage).toBe("open");
  await Promise.all([alice, bob, carol].map((node) => node.stop()));
  rmSync(folder, { recursive: true, force: true });
});
