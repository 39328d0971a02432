// A first channel: two nodes in one process, on a Bitcoin chain in memory. Run: node examples/first-channel.mjs
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressToScript, Chain, embeddedChain, msat, openNode, sat, systemClock } from "sluice";

/** The value of a result, or an error that says what was refused. */
function must(result) {
  if (!result.ok)
    throw new Error(JSON.stringify(result.error, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
  return result.value;
}

// A chain with the rules of regtest: blocks come when they are asked for. A real node is one line: see bitcoindChain.
const clock = systemClock();
const chain = new Chain(clock);
chain.mine(101);

const folder = mkdtempSync(join(tmpdir(), "sluice-first-channel-"));
const alice = await openNode({ directory: join(folder, "alice"), chain: embeddedChain(chain, clock) });
const bob = await openNode({ directory: join(folder, "bob"), chain: embeddedChain(chain, clock) });

// Money for Alice, and a block that holds it.
const funded = new Promise((resolve) => alice.subscribe((event) => event.type === "block" && resolve()));
chain.fund(must(addressToScript(await alice.newAddress(), "regtest")), 1_000_000n);
chain.mine(1);
await funded;
console.log(`Alice's wallet: ${alice.balance().confirmedSat} sat`);

// Bob listens, Alice connects and opens a channel.
const address = await bob.listen({ host: "127.0.0.1", port: 0 });
await alice.connect(bob.nodeId, address);
const channel = must(await alice.openChannel(bob.nodeId, { amountSat: sat(500_000n) }));
await alice.untilChannel(channel, ({ stage }) => stage === "awaiting_depth");
chain.mine(3);
const open = await alice.untilChannel(channel, ({ stage }) => stage === "open");
console.log(`Channel open: ${open.amountSat} sat`);

// Bob asks for 25,000 satoshi, Alice pays: no block is needed.
const invoice = must(await bob.createInvoice({ amountMsat: msat(25_000_000n), description: "a book" }));
must(await alice.pay(channel, { id: "book-1", paymentHash: invoice.paymentHash, amountMsat: msat(25_000_000n) }));
const payment = await alice.untilPaid("book-1");
console.log(`Payment ${payment.state}; Bob now has ${alice.channel(channel).remoteMsat / 1000n} sat in the channel`);

// Either side may close. The transaction pays both, and counts as final after six blocks.
must(await alice.closeChannel(channel));
await alice.untilChannel(channel, ({ stage }) => stage === "close_agreed");
await bob.untilChannel(0, ({ stage }) => stage === "close_agreed");
chain.mine(6);
await alice.untilChannel(channel, ({ stage }) => stage === "closed");
await bob.untilChannel(0, ({ stage }) => stage === "closed");
console.log(`Closed. Wallets: Alice ${alice.balance().confirmedSat} sat, Bob ${bob.balance().confirmedSat} sat`);

await alice.stop();
await bob.stop();
rmSync(folder, { recursive: true });
