// How many payments the simulator makes in a second: two nodes, one channel, invoices made and paid 400 at a time, nothing disturbed.
// Usage: simulator.js [PAYMENTS]
import type { Msat, Satoshi } from "../src/core/base/index.ts";
import { World } from "../src/testing/index.ts";

const AT_ONCE = 400;
const AMOUNT = 1_000n as Msat;

const wanted = Number(process.argv[2] ?? 8_000);
const world = new World({ nodes: ["alice", "bob"], seed: 1 });
const [alice, bob] = [world.node("alice"), world.node("bob")];
await world.start();
await world.fund(alice, 2_000_000n);
const channel = await world.openChannel(alice, bob, { amountSat: 1_000_000n as Satoshi });

async function pay(id: string): Promise<void> {
  const invoice = await bob.node.createInvoice({ amountMsat: AMOUNT });
  if (!invoice.ok) throw new Error(invoice.error.type);
  const paid = await alice.node.pay(channel, { id, paymentHash: invoice.value.paymentHash, amountMsat: AMOUNT });
  if (!paid.ok) throw new Error(paid.error.type);
  const ended = await alice.node.untilPaid(id);
  if (ended?.state !== "succeeded") throw new Error(`${id} has ${ended?.state}`);
}

const [begun, before] = [performance.now(), process.cpuUsage()];
for (let made = 0; made < wanted; made += AT_ONCE) {
  await world.outcome(Promise.all(Array.from({ length: AT_ONCE }, (_, n) => pay(`${made + n}`))));
}
const seconds = (performance.now() - begun) / 1000;
const { user, system } = process.cpuUsage(before);
const rate = (perSecond: number): string => Math.round(wanted / perSecond).toLocaleString("en");
console.log(
  `${wanted} payments in ${seconds.toFixed(1)} s: ${rate(seconds)} a second, ${rate((user + system) / 1e6)} per second of CPU`,
);
