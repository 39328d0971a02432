// An application's own test on the simulator. Run: node --test examples/shop.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, msat, sat, toHex } from "sluice";
import { World } from "sluice/testing";

/** The value of a result, or an error that says what was refused. */
function must(result) {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
}

/** The application: a shop that ships what is paid, once. What it knows outlives its node, as a database would. */
class Shop {
  orders = new Map();
  shipped = [];

  /** Called for each life of its node: what was paid while it was not looking is shipped now. */
  async attach(node) {
    this.node = node;
    node.subscribe((event) => event.type === "invoice_settled" && this.ship(event.paymentHash));
    for (const { paymentHash } of this.orders.values()) {
      if ((await node.invoice(paymentHash))?.state === "settled") this.ship(paymentHash);
    }
  }

  async order(item, priceMsat) {
    const invoice = must(await this.node.createInvoice({ amountMsat: msat(priceMsat), description: item }));
    this.orders.set(toHex(invoice.paymentHash), { item, paymentHash: invoice.paymentHash, shipped: false });
    return invoice;
  }

  ship(paymentHash) {
    const order = [...this.orders.values()].find((each) => equalBytes(each.paymentHash, paymentHash));
    if (order === undefined || order.shipped) return;
    order.shipped = true;
    this.shipped.push(order.item);
  }
}

/** A customer and a shop with a channel between their nodes; the money is the customer's. */
async function market(seed) {
  const world = new World({ nodes: ["customer", "shop"], seed, commitMs: { least: 1, most: 5 } });
  const [customer, owner] = world.nodes;
  await world.start();
  await world.fund(customer, 1_000_000n);
  const channel = await world.openChannel(customer, owner, { amountSat: sat(500_000n) });
  const shop = new Shop();
  await shop.attach(owner.node);
  return { world, customer, owner, channel, shop };
}

test("a paid order is shipped once, at whatever commit the shop's machine dies", async () => {
  for (const [commit, written] of [
    [0, true],
    [1, false],
    [2, true],
    [3, false],
  ]) {
    const { world, customer, owner, channel, shop } = await market(commit);
    const { paymentHash } = await world.outcome(shop.order("a book", 25_000_000n));

    owner.planCommit(commit, { type: "crash", written });
    must(await world.outcome(customer.node.pay(channel, { id: "book", paymentHash, amountMsat: msat(25_000_000n) })));
    await world.settle();
    if (owner.up === undefined) {
      await owner.start();
      await world.outcome(shop.attach(owner.node));
    }
    // Time for the two to find each other again.
    await world.advance(10_000);

    const payment = await customer.node.payment("book");
    assert.equal(payment.state, "succeeded");
    assert.deepEqual(shop.shipped, ["a book"]);
  }
});

test("an order for which too little is paid is not shipped", async () => {
  const { world, customer, channel, shop } = await market(1);
  const { paymentHash } = await world.outcome(shop.order("a book", 25_000_000n));
  must(await world.outcome(customer.node.pay(channel, { id: "book", paymentHash, amountMsat: msat(9_000_000n) })));
  await world.settle();
  assert.equal((await customer.node.payment("book")).state, "failed");
  assert.deepEqual(shop.shipped, []);
});
