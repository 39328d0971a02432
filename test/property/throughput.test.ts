import { expect, it } from "vitest";
import { asPaymentHash, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import { decodePkt } from "../../src/core/wire/index.ts";
import { FlowWorld } from "../support/flow.ts";

const PAYMENTS = 400;
const AMOUNT_MSAT = 100_000n as Msat;

it("[LS-11] [LS-25] hundreds of payments at once, both ways, share few signatures and few commits", async () => {
  const flow = new FlowWorld();
  const { world, alice, bob } = flow;
  for (const node of world.nodes) await node.start();
  await world.fund(alice, 4_200_000n, 1);
  await world.outcome(alice.node.connect(bob.nodeId, bob.address));
  const opening = { amountSat: 4_000_000n as Satoshi, pushMsat: 2_000_000_000n as Msat };
  const opened = await world.outcome(alice.node.openChannel(bob.nodeId, opening));
  if (!opened.ok) throw new Error(opened.error.type);
  await world.quiet();
  world.chain.mine(6);
  await world.quiet();

  const ways = [
    [alice, bob],
    [bob, alice],
  ] as const;
  const wanted = ways.flatMap(([payer, payee]) => Array.from({ length: PAYMENTS / 2 }, () => ({ payer, payee })));
  const invoices = await world.outcome(
    Promise.all(wanted.map(({ payee }) => payee.node.createInvoice({ amountMsat: AMOUNT_MSAT }))),
  );
  const sequences = () => Promise.all([alice, bob].map(({ store }) => store.sequence()));
  const [aliceBefore = 0, bobBefore = 0] = await sequences();
  const paying = wanted.map(({ payer }, n) => {
    const invoice = invoices[n];
    if (invoice?.ok !== true) throw new Error("no invoice");
    const paymentHash = asPaymentHash(invoice.value.paymentHash);
    return payer.node.pay(0, { id: `${n}`, paymentHash, amountMsat: AMOUNT_MSAT });
  });
  const taken = await world.outcome(Promise.all(paying));
  expect(taken.filter(({ ok }) => !ok)).toEqual([]);
  await world.quiet();
  for (const [n, { payer }] of wanted.entries()) expect((await payer.node.payment(`${n}`))?.state).toBe("succeeded");
  expect(alice.node.channel(0)).toMatchObject({ htlcs: 0, localMsat: 2_000_000_000n });

  const types = new Map<string, number>();
  for (const packet of flow.tap.sentPackets()) {
    const pkt = decodePkt(packet);
    const type = pkt.ok ? pkt.value.message.type : "undecodable";
    types.set(type, (types.get(type) ?? 0) + 1);
  }
  expect(types.get("update_add_htlc")).toBe(PAYMENTS);
  expect(types.get("update_fulfill_htlc")).toBe(PAYMENTS);
  // What costs is a signature and a commit: the more there is to do, the more goes into one.
  expect(types.get("update_commit")).toBeLessThan(PAYMENTS / 10);
  expect(types.get("update_commit")).toBe(types.get("update_revocation"));
  const [aliceAfter = 0, bobAfter = 0] = await sequences();
  expect(aliceAfter - aliceBefore).toBeLessThan(PAYMENTS / 10);
  expect(bobAfter - bobBefore).toBeLessThan(PAYMENTS / 10);
  expect(flow.tap.problems).toEqual([]);
  await world.stop();
}, 60_000);
