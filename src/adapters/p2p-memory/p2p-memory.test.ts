import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Recorder, recorder } from "../../../test/support/recorder.ts";
import { transportSuite } from "../../../test/support/transport-suite.ts";
import { asNodeId } from "../../core/base/index.ts";
import type { Connection } from "../../ports/transport.ts";
import { virtualClock } from "../../testing/index.ts";
import { type MemoryNetwork, memoryNetwork } from "./index.ts";

const ADDRESS = { host: "bob", port: 9745 };
const ALICE = asNodeId(new Uint8Array(33).fill(1));
const BOB = asNodeId(new Uint8Array(33).fill(2));

transportSuite("p2p-memory", () => {
  const network = memoryNetwork();
  let nodes = 0;
  return {
    anyPort: { host: "somewhere", port: 0 },
    node() {
      const nodeId = asNodeId(new Uint8Array(33).fill(++nodes));
      return { transport: network.transport(nodeId), nodeId };
    },
    async until(promise) {
      let settled = false;
      const settle = (): void => {
        settled = true;
      };
      promise.then(settle, settle);
      for (let turns = 0; !settled; turns++) {
        if (turns > 1000) throw new Error("the network stands still");
        network.run();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return promise;
    },
  };
});

type Pair = {
  readonly network: MemoryNetwork;
  readonly atAlice: Connection;
  readonly atBob: Connection;
  readonly ofAlice: Recorder;
  readonly ofBob: Recorder;
};

async function pair(network: MemoryNetwork = memoryNetwork()): Promise<Pair> {
  const [ofAlice, ofBob] = [recorder(), recorder()];
  await network.transport(BOB).listen(ADDRESS, ofBob.onConnection);
  const connecting = network.transport(ALICE).connect(BOB, ADDRESS, ofAlice.onConnection);
  network.run();
  return { network, atAlice: await connecting, atBob: await ofBob.opened, ofAlice, ofBob };
}

const values = (of: Recorder): (number | undefined)[] => of.messages.map((message) => message[0]);

describe("memoryNetwork", () => {
  it("moves nothing by itself", async () => {
    const { network, atAlice, ofBob } = await pair();
    atAlice.send(Uint8Array.of(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ofBob.messages).toEqual([]);
    expect(network.choices()).toBe(1);
    expect(network.deliverOne()).toBe(true);
    expect(values(ofBob)).toEqual([1]);
    expect([network.choices(), network.deliverOne()]).toEqual([0, false]);
  });

  it("delivers by choice, 0 being the oldest", async () => {
    const { network, atAlice, atBob, ofAlice, ofBob } = await pair();
    atBob.send(Uint8Array.of(1));
    atAlice.send(Uint8Array.of(2));
    atBob.send(Uint8Array.of(3));
    network.deliverOne(1);
    expect([values(ofAlice), values(ofBob)]).toEqual([[], [2]]);
    network.deliverOne(0);
    expect(values(ofAlice)).toEqual([1]);
    expect(network.run()).toBe(1);
    expect(values(ofAlice)).toEqual([1, 3]);
  });

  it("holds one direction and releases it", async () => {
    const { network, atAlice, atBob, ofAlice, ofBob } = await pair();
    network.hold(ALICE, BOB);
    atAlice.send(Uint8Array.of(1));
    atBob.send(Uint8Array.of(2));
    expect(network.run()).toBe(1);
    expect([values(ofAlice), values(ofBob)]).toEqual([[2], []]);
    network.release(ALICE, BOB);
    network.run();
    expect(values(ofBob)).toEqual([1]);
  });

  it("holds a connection attempt", async () => {
    const network = memoryNetwork();
    await network.transport(BOB).listen(ADDRESS, recorder().onConnection);
    network.hold(ALICE, BOB);
    const connecting = network.transport(ALICE).connect(BOB, ADDRESS, recorder().onConnection);
    expect(network.run()).toBe(0);
    network.release(ALICE, BOB);
    expect(network.run()).toBe(2);
    await expect(connecting).resolves.toMatchObject({ remote: BOB });
  });

  it("delays one direction by its clock, in order even where the delay shrinks", async () => {
    const clock = virtualClock();
    const { network, atAlice, ofBob } = await pair(memoryNetwork({ clock }));
    network.delay(ALICE, BOB, 100);
    atAlice.send(Uint8Array.of(1));
    network.delay(ALICE, BOB, 0);
    atAlice.send(Uint8Array.of(2));
    expect(network.nextDue()).toBe(clock.now() + 100);
    await clock.advance(99);
    expect(network.run()).toBe(0);
    await clock.advance(1);
    expect([network.run(), network.nextDue()]).toEqual([2, undefined]);
    expect(values(ofBob)).toEqual([1, 2]);
  });

  it("[B2-41] ends both sides of a dropped connection with a retryable error, and a new one works", async () => {
    const { network, atAlice, ofAlice, ofBob } = await pair();
    atAlice.send(Uint8Array.of(1));
    expect(network.drop(BOB, ALICE)).toBe(1);
    atAlice.send(Uint8Array.of(2));
    expect([ofAlice.ends, ofBob.ends]).toEqual([[], []]);
    // One side notices, the other not yet.
    network.deliverOne();
    expect(ofAlice.ends.length + ofBob.ends.length).toBe(1);
    network.run();
    const lost = [expect.objectContaining({ code: "lost", retryable: true })];
    expect([ofAlice.ends, ofBob.ends, ofBob.messages]).toEqual([lost, lost, []]);
    expect(network.drop(ALICE, BOB)).toBe(0);
    const again = network.transport(ALICE).connect(BOB, ADDRESS, recorder().onConnection);
    network.run();
    await expect(again).resolves.toMatchObject({ remote: BOB });
  });

  it("tells a node nothing of a connection dropped before it was accepted", async () => {
    const network = memoryNetwork();
    const [ofAlice, ofBob] = [recorder(), recorder()];
    await network.transport(BOB).listen(ADDRESS, ofBob.onConnection);
    const connecting = network.transport(ALICE).connect(BOB, ADDRESS, ofAlice.onConnection);
    network.deliverOne();
    await connecting;
    network.drop(ALICE, BOB);
    network.run();
    expect(ofAlice.ends).toHaveLength(1);
    expect(ofBob.ends).toEqual([]);
  });

  it("gives the same for the same choices, and a drop at any point leaves each side a prefix and one end", () => {
    const action = fc.constantFrom("alice", "bob", "drop", "close");
    const script = fc.array(fc.tuple(action, fc.array(fc.nat(7), { maxLength: 4 })), { maxLength: 40 });
    return fc.assert(
      fc.asyncProperty(script, async (steps) => {
        const play = async (): Promise<unknown> => {
          const { network, atAlice, atBob, ofAlice, ofBob } = await pair();
          let sent = 0;
          for (const [what, choices] of steps) {
            sent++;
            if (what === "drop") network.drop(ALICE, BOB);
            else if (what === "close") atBob.close();
            else (what === "alice" ? atAlice : atBob).send(Uint8Array.of(sent));
            for (const choice of choices) network.deliverOne(choice);
          }
          network.run();
          const sentBy = (who: string): number[] => steps.flatMap(([what], i) => (what === who ? [i + 1] : []));
          expect(values(ofBob)).toEqual(sentBy("alice").slice(0, ofBob.messages.length));
          expect(values(ofAlice)).toEqual(sentBy("bob").slice(0, ofAlice.messages.length));
          const over = steps.some(([what]) => what === "drop" || what === "close") ? 1 : 0;
          expect([ofAlice.ends.length, ofBob.ends.length]).toEqual([over, over]);
          return [values(ofAlice), values(ofBob), ofAlice.ends.map((e) => e?.code), ofBob.ends.map((e) => e?.code)];
        };
        expect(await play()).toEqual(await play());
      }),
    );
  });
});
