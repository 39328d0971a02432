import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvariantBroken, type NodeId } from "../../src/core/base/index.ts";
import {
  type Connection,
  MAX_MESSAGE_BYTES,
  type PeerAddress,
  type Transport,
  TransportError,
} from "../../src/ports/transport.ts";
import { type Recorder, recorder } from "./recorder.ts";

export type TransportNode = { readonly transport: Transport; readonly nodeId: NodeId };

/** What the suite needs of a transport besides the port. */
export type TransportFixture = {
  /** A new node; each has its own node id. */
  node(): TransportNode;
  /** An address whose port is picked by `listen`. */
  readonly anyPort: PeerAddress;
  /** Waits for a promise, moving the network on meanwhile where nothing else does. */
  until<T>(promise: Promise<T>): Promise<T>;
};

function numbered(i: number, length = 4): Uint8Array {
  const message = new Uint8Array(length);
  new DataView(message.buffer).setUint32(0, i);
  return message;
}

function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(0);
}

/** What every Transport must do. */
export function transportSuite(name: string, makeFixture: () => TransportFixture): void {
  describe(`${name} as a Transport`, () => {
    let fixture: TransportFixture;
    let alice: TransportNode;
    let bob: TransportNode;

    beforeEach(() => {
      fixture = makeFixture();
      alice = fixture.node();
      bob = fixture.node();
    });

    afterEach(async () => {
      await fixture.until(Promise.all([alice.transport.close(), bob.transport.close()]));
    });

    async function connected(
      ofAlice: Recorder,
      ofBob: Recorder,
    ): Promise<{ atAlice: Connection; atBob: Connection; address: PeerAddress }> {
      const address = await bob.transport.listen(fixture.anyPort, ofBob.onConnection);
      const atAlice = await fixture.until(alice.transport.connect(bob.nodeId, address, ofAlice.onConnection));
      return { atAlice, atBob: await fixture.until(ofBob.opened), address };
    }

    it("tells each side who the other one is and who made the connection", async () => {
      const ofAlice = recorder();
      const { atAlice, atBob } = await connected(ofAlice, recorder());
      expect(atAlice).toBe(await ofAlice.opened);
      expect(atAlice.remote).toEqual(bob.nodeId);
      expect(atBob.remote).toEqual(alice.nodeId);
      expect([atAlice.outgoing, atBob.outgoing]).toEqual([true, false]);
    });

    it("[B2-1] delivers messages whole and in order, both ways", async () => {
      const [ofAlice, ofBob] = [recorder(), recorder()];
      const { atAlice, atBob } = await connected(ofAlice, ofBob);
      for (let i = 0; i < 500; i++) {
        atAlice.send(numbered(i, 4 + (i % 37)));
        atBob.send(numbered(1000 + i, 4 + (i % 91)));
      }
      const atBobs = await fixture.until(ofBob.received(500));
      const atAlices = await fixture.until(ofAlice.received(500));
      expect(atBobs.map(numberOf)).toEqual(Array.from({ length: 500 }, (_, i) => i));
      expect(atAlices.map(numberOf)).toEqual(Array.from({ length: 500 }, (_, i) => 1000 + i));
      expect(atBobs.map((message) => message.length)).toEqual(Array.from({ length: 500 }, (_, i) => 4 + (i % 37)));
    });

    it("answers out of onMessage, many times over", async () => {
      const pong = (connection: Connection, message: Uint8Array): void => {
        if (numberOf(message) < 300) connection.send(numbered(numberOf(message) + 1));
        else connection.close();
      };
      const [ofAlice, ofBob] = [recorder(undefined, pong), recorder(undefined, pong)];
      const { atAlice } = await connected(ofAlice, ofBob);
      atAlice.send(numbered(0));
      await fixture.until(Promise.all([ofAlice.ended, ofBob.ended]));
      expect(ofBob.messages).toHaveLength(151);
      expect(ofAlice.messages).toHaveLength(150);
    });

    it("carries messages from 1 to 65,535 bytes and no others", async () => {
      const ofBob = recorder();
      const { atAlice } = await connected(recorder(), ofBob);
      expect(() => atAlice.send(new Uint8Array(0))).toThrow(InvariantBroken);
      expect(() => atAlice.send(new Uint8Array(MAX_MESSAGE_BYTES + 1))).toThrow(InvariantBroken);
      const sent = [1, MAX_MESSAGE_BYTES, 2, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES].map((length, i) =>
        Uint8Array.from({ length }, (_, at) => at * 31 + i),
      );
      for (const message of sent) atAlice.send(message);
      const messages = await fixture.until(ofBob.received(sent.length));
      // Compared without toEqual on bytes: it takes seconds for arrays of this size.
      expect(messages.map((message, i) => Buffer.compare(message, sent[i] ?? new Uint8Array()))).toEqual([
        0, 0, 0, 0, 0,
      ]);
      expect(messages.every((message) => !Buffer.isBuffer(message))).toBe(true);
    });

    it("leaves the bytes sent to the sender and the bytes received to the receiver", async () => {
      const ofBob = recorder();
      const { atAlice } = await connected(recorder(), ofBob);
      const reused = numbered(7);
      atAlice.send(reused);
      reused.fill(0xff);
      atAlice.send(reused);
      const [first, second] = await fixture.until(ofBob.received(2));
      second?.fill(0);
      expect(first).toEqual(numbered(7));
      expect(reused).toEqual(numbered(0xffffffff));
    });

    it("delivers 100,000 small messages sent in one turn", async () => {
      const count = 100_000;
      let next = 0;
      let inOrder = true;
      const ofBob = recorder(undefined, (connection, message) => {
        inOrder &&= numberOf(message) === next++;
        if (next === count) connection.close();
      });
      const { atAlice } = await connected(recorder(), ofBob);
      for (let i = 0; i < count; i++) atAlice.send(numbered(i));
      await fixture.until(ofBob.ended);
      expect({ next, inOrder }).toEqual({ next: count, inOrder: true });
    }, 30_000);

    it("flushes before an orderly end, of which each side hears once", async () => {
      const [ofAlice, ofBob] = [recorder(), recorder()];
      const { atAlice, atBob } = await connected(ofAlice, ofBob);
      for (let i = 0; i < 50; i++) atAlice.send(numbered(i, 60_000));
      atAlice.close();
      atAlice.close();
      atAlice.send(numbered(50));
      expect(ofAlice.ends).toEqual([]);
      await fixture.until(Promise.all([ofAlice.ended, ofBob.ended]));
      atBob.close();
      atBob.send(numbered(51));
      await fixture.until(Promise.all([alice.transport.close(), bob.transport.close()]));
      expect(ofBob.messages.map(numberOf)).toEqual(Array.from({ length: 50 }, (_, i) => i));
      expect([ofAlice.ends, ofBob.ends]).toEqual([[undefined], [undefined]]);
    });

    it("delivers nothing after our own close, from within onMessage too", async () => {
      const ofBob = recorder(undefined, (connection) => connection.close());
      const { atAlice } = await connected(recorder(), ofBob);
      for (let i = 0; i < 10; i++) atAlice.send(numbered(i));
      await fixture.until(ofBob.ended);
      expect(ofBob.messages.map(numberOf)).toEqual([0]);
    });

    it("can be closed by both sides at once", async () => {
      const [ofAlice, ofBob] = [recorder(), recorder()];
      const { atAlice, atBob } = await connected(ofAlice, ofBob);
      atAlice.close();
      atBob.close();
      await fixture.until(Promise.all([ofAlice.ended, ofBob.ended]));
      expect([ofAlice.ends, ofBob.ends]).toEqual([[undefined], [undefined]]);
    });

    it.each(["alice", "bob"])("can be closed within onConnection by %s, after a last word", async (who) => {
      const lastWord = (connection: Connection): void => {
        connection.send(numbered(1));
        connection.close();
      };
      const [ofAlice, ofBob] = [
        recorder(who === "alice" ? lastWord : undefined),
        recorder(who === "bob" ? lastWord : undefined),
      ];
      await connected(ofAlice, ofBob);
      await fixture.until(Promise.all([ofAlice.ended, ofBob.ended]));
      expect([ofAlice.ends, ofBob.ends]).toEqual([[undefined], [undefined]]);
      expect([ofAlice.messages.length, ofBob.messages.length]).toEqual(who === "alice" ? [0, 1] : [1, 0]);
    });

    it("calls nothing before connect is resolved and onConnection returned", async () => {
      const seen: string[] = [];
      const eager = (who: string): Recorder =>
        recorder(
          (connection) => {
            for (let i = 0; i < 3; i++) connection.send(numbered(i));
            seen.push(`${who} opened`);
          },
          () => seen.push(`${who} message`),
        );
      const [ofAlice, ofBob] = [eager("alice"), eager("bob")];
      const address = await bob.transport.listen(fixture.anyPort, ofBob.onConnection);
      const connecting = alice.transport.connect(bob.nodeId, address, ofAlice.onConnection);
      const resolved = connecting.then(() => seen.push("alice resolved"));
      await fixture.until(Promise.all([resolved, ofAlice.received(3), ofBob.received(3)]));
      const ofWhom = (who: string): string[] => seen.filter((event) => event.startsWith(who));
      expect(ofWhom("alice").slice(0, 3)).toEqual(["alice opened", "alice resolved", "alice message"]);
      expect(ofWhom("bob")[0]).toBe("bob opened");
    });

    it("fails the handshake with a node of another id, of which that node hears nothing", async () => {
      const ofBob = recorder();
      const address = await bob.transport.listen(fixture.anyPort, ofBob.onConnection);
      const ofAlice = recorder();
      const wrong = alice.transport.connect(fixture.node().nodeId, address, ofAlice.onConnection);
      await expect(fixture.until(wrong)).rejects.toMatchObject({ code: "handshake_failed", retryable: false });
      await fixture.until(alice.transport.connect(bob.nodeId, address, ofAlice.onConnection));
      await fixture.until(ofBob.opened);
      expect(ofAlice.ends).toEqual([]);
    });

    it("is refused where nobody listens", async () => {
      const address = await bob.transport.listen(fixture.anyPort, recorder().onConnection);
      await fixture.until(bob.transport.close());
      const refused = alice.transport.connect(bob.nodeId, address, recorder().onConnection);
      await expect(fixture.until(refused)).rejects.toBeInstanceOf(TransportError);
      await expect(refused).rejects.toMatchObject({ code: "refused", retryable: true });
    });

    it("does not listen where somebody listens, and says where", async () => {
      const address = await bob.transport.listen(fixture.anyPort, recorder().onConnection);
      const second = alice.transport.listen(address, recorder().onConnection);
      await expect(second).rejects.toMatchObject({
        code: "address_in_use",
        retryable: false,
        message: expect.stringContaining(`${address.host}:${address.port}`),
      });
    });

    it("keeps several connections of two nodes apart", async () => {
      const [first, second] = [recorder(), recorder()];
      const waiting = [first, second];
      const address = await bob.transport.listen(fixture.anyPort, (connection) => {
        const next = waiting.shift();
        if (next === undefined) throw new Error("a third connection");
        return next.onConnection(connection);
      });
      const one = await fixture.until(alice.transport.connect(bob.nodeId, address, recorder().onConnection));
      await fixture.until(first.opened);
      const two = await fixture.until(alice.transport.connect(bob.nodeId, address, recorder().onConnection));
      await fixture.until(second.opened);
      one.close();
      two.send(numbered(2));
      await fixture.until(Promise.all([first.ended, second.received(1)]));
      expect([first.messages, second.messages, second.ends]).toEqual([[], [numbered(2)], []]);
    });

    it("closes everything, resolves after the last event, and does nothing after", async () => {
      const [ofAlice, ofBob] = [recorder(), recorder()];
      const { atBob, address } = await connected(ofAlice, ofBob);
      atBob.send(numbered(1));
      const closing = bob.transport.close();
      await fixture.until(Promise.all([closing, bob.transport.close(), ofAlice.ended]));
      expect([ofAlice.ends, ofBob.ends]).toEqual([[undefined], [undefined]]);
      expect(ofAlice.messages).toEqual([numbered(1)]);
      const closed = { code: "lost" };
      await expect(bob.transport.listen(fixture.anyPort, recorder().onConnection)).rejects.toMatchObject(closed);
      const dialling = bob.transport.connect(alice.nodeId, address, recorder().onConnection);
      await expect(fixture.until(dialling)).rejects.toMatchObject(closed);
      await alice.transport.listen(address, recorder().onConnection);
    });

    it("rejects what is still connecting when it is closed", async () => {
      const address = await bob.transport.listen(fixture.anyPort, recorder().onConnection);
      const ofAlice = recorder();
      const connecting = alice.transport.connect(bob.nodeId, address, ofAlice.onConnection);
      const rejected = expect(connecting).rejects.toMatchObject({ code: "lost" });
      await fixture.until(alice.transport.close());
      await rejected;
      expect(ofAlice.ends).toEqual([]);
    });
  });
}
