import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { type Faults, World } from "../../src/testing/index.ts";

/** Faults of every kind, each often. */
export const ALL_FAULTS: Faults = { crashAtCommit: 0.02, failCommit: 0.02, crashAtMessage: 0.02, dropAtMessage: 0.02 };

const REQUEST = { amountSat: 1_000_000n as Satoshi, pushMsat: 400_000_000n as Msat };

/** Two nodes, Alice and Bob, with a channel. */
export async function worldOfTwo(options: Partial<ConstructorParameters<typeof World>[0]> = {}): Promise<World> {
  const world = new World({ nodes: ["alice", "bob"], seed: 1, ...options });
  await world.start();
  await world.fund(world.node("alice"), 1_100_000n);
  await world.openChannel(world.node("alice"), world.node("bob"), REQUEST);
  return world;
}

/** Alice pays a new invoice of Bob's, where both are up. Either may go at any moment. */
export async function payBob(world: World, id: string): Promise<void> {
  const [alice, bob] = [world.node("alice").up, world.node("bob").up];
  if (alice === undefined || bob === undefined) return;
  const amountMsat = 1_000_000n as Msat;
  const asked: Promise<void> = bob.createInvoice({ amountMsat }).then(async (made) => {
    if (made.ok) await alice.pay(0, { id, paymentHash: made.value.paymentHash, amountMsat });
  });
  asked.catch(() => undefined);
  await world.clock.run();
}

/** Payments while `faults` happen, and then time for everything to end. */
export async function stormyWorld(seed: number, faults: Faults): Promise<World> {
  const world = await worldOfTwo({ seed, commitMs: { least: 1, most: 9 }, keepTrace: true });
  world.faults = faults;
  for (let n = 0; n < 40; n++) {
    await payBob(world, `payment ${n}`);
    await world.deliver(n % 7);
    await world.clock.advance(n % 5);
    await world.revive();
  }
  world.faults = {};
  await world.revive();
  await world.advance(30_000);
  return world;
}
