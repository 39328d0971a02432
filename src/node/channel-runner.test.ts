import { describe, expect, it } from "vitest";
import { ChannelPair, FEES, hashOf } from "../../test/support/channel-pair.ts";
import { DualPair } from "../../test/support/dual-funding.ts";
import { FakeConnection } from "../../test/support/fake-connection.ts";
import { memoryStore } from "../adapters/store-memory/index.ts";
import { InvariantBroken, type Msat } from "../core/base/index.ts";
import { payToWitnessPublicKeyHash } from "../core/bitcoin/index.ts";
import { keyPaths, type Signer } from "../core/crypto/index.ts";
import { DEFAULT_POLICY, type Input, type Tell } from "../core/payment-channel/index.ts";
import { encodePkt, encodeTransportMessage } from "../core/wire/index.ts";
import type { StoreChange } from "../ports/store.ts";
import { virtualClock } from "../testing/index.ts";
import { ChannelRunner } from "./channel-runner.ts";
import { type Batch, Journal } from "./journal.ts";
import { newStream, Session } from "./session.ts";

const NOTHING = new Uint8Array(0);

/** An open channel with one HTLC of the peer's that has cleared, run by a node whose parts are fakes. */
async function setUp() {
  const pair = new ChannelPair().open({ pushMsat: 300_000_000n });
  pair.offer("bob", 1, 2_000_000n);
  pair.settle();
  const { alice } = pair;
  const signing: { by: Signer } = { by: alice.signer };
  const clock = virtualClock();
  const changes: StoreChange[] = [];
  const memory = memoryStore();
  const store = {
    ...memory,
    commit: async (batch: { changes: readonly StoreChange[] }) => void changes.push(...batch.changes),
  };
  const halts: unknown[] = [];
  const journal = new Journal({ store, clock, sequence: 0, onHalt: (cause) => halts.push(cause) });
  const session = new Session({
    peer: { index: 0, nodeId: alice.channel.channel.peer, address: undefined },
    stream: { ...newStream(0), sent: alice.sent, received: alice.received, acknowledged: alice.sent },
    outbox: [],
    stored: true,
    clock,
    handlers: {
      onPacket: () => undefined,
      onViolation: () => undefined,
      onCopy: () => undefined,
      onAuthenticate: () => "judge",
      onReady: () => undefined,
      channels: () => [],
      hasChannels: () => true,
      features: [],
    },
  });
  const frozen: string[] = [];
  const short: number[] = [];
  const fees = { now: FEES };
  const surroundings = () => ({
    height: alice.height,
    caughtUp: true,
    now: 0,
    fees: fees.now,
    policy: DEFAULT_POLICY,
    keys: keyPaths(1),
    signer: signing.by,
  });
  const handlers = {
    broadcast: () => undefined,
    tell: () => undefined,
    event: () => undefined,
    removed: () => undefined,
    finished: () => undefined,
    forgotten: () => undefined,
    watch: () => undefined,
    frozen: (_: ChannelRunner, why: string) => frozen.push(why),
    feeUnaffordable: (_: Batch, __: ChannelRunner, { wanted }: { wanted: number }) => short.push(wanted),
  };
  const runner = new ChannelRunner({ state: alice.channel, session, surroundings, handlers });
  const run = async (work: (batch: Batch) => void): Promise<StoreChange[]> => {
    journal.post("other", work);
    await clock.run();
    return changes.splice(0);
  };
  const connection = new FakeConnection(session.nodeId);
  await run((batch) => {
    session.connect(batch, connection);
    const digest = new Uint8Array(32);
    const message = { type: "authenticate" as const, features: NOTHING, digest, channels: [] };
    const packet = encodePkt({ channelId: undefined, message });
    session.receive(batch, connection, encodeTransportMessage(alice.sent, [packet]));
  });
  expect(session.ready).toBe(true);
  return { pair, runner, run, signing, frozen, short, halts, session, fees };
}

function offer(change: Partial<Extract<Input, { type: "offer" }>> = {}): Input {
  return {
    type: "offer",
    amountMsat: 1_000_000n as Msat,
    paymentHash: hashOf(9),
    expiry: 300,
    route: NOTHING,
    ...change,
  };
}

function kinds(changes: readonly StoreChange[]): string[] {
  return changes.map((change) => (change.type === "channel" ? change.change.type : change.type));
}

describe("a runner", () => {
  it("[LS-25] writes what a step changed, and signs once at the end of the batch", async () => {
    const { runner, run } = await setUp();
    const changes = await run((batch) => {
      expect(runner.run(batch, offer())).toBeUndefined();
      expect(runner.run(batch, offer())).toBeUndefined();
      expect(runner.run(batch, offer({ amountMsat: 0n as Msat }))).toMatchObject({ type: "amount_zero" });
    });
    const own = kinds(changes).filter((kind) => kind !== "stream" && kind !== "outbox_pruned");
    expect(own).toEqual(["htlc_added", "outbox", "htlc_added", "outbox", "commitment", "outbox", "totals"]);
    expect(kinds(changes)).toContain("stream");
  });

  it("stages nothing of a packet that can't be sent", async () => {
    const { runner, run, frozen, halts } = await setUp();
    const htlcs = runner.state.htlcs.size;
    const changes = await run((batch) => {
      runner.touch(batch);
      expect(runner.run(batch, offer({ route: new Uint8Array(5_000) }))).toMatchObject({ type: "frozen" });
    });
    expect(kinds(changes)).toEqual(["stage", "totals"]);
    expect(runner.state.htlcs.size).toBe(htlcs);
    expect(frozen).toEqual([expect.stringContaining("5000")]);
    // It is written, so that a new start does not thaw it.
    const [written] = changes.flatMap((one) =>
      one.type === "channel" && one.change.type === "stage" ? [one.change] : [],
    );
    expect(written?.row).toMatchObject({ stage: "open", frozen: frozen[0] });
    expect(halts).toEqual([]);
  });

  it.each([new InvariantBroken("not as it should be"), new TypeError("not a function")])(
    "[B2-13] freezes where a step throws (%s): what came before in the batch is written whole, nothing after",
    async (cause) => {
      const { runner, run, signing, frozen, halts } = await setUp();
      const sign = signing.by;
      const totals = { ...runner.state.totals };
      const changes = await run((batch) => {
        expect(runner.run(batch, offer())).toBeUndefined();
        signing.by = {
          ...sign,
          sign: () => {
            throw cause;
          },
        };
      });
      expect(kinds(changes)).toEqual(["htlc_added", "outbox", "stream", "outbox_pruned", "stage", "totals"]);
      const written = changes.flatMap((one) =>
        one.type === "channel" && one.change.type === "totals" ? [one.change.row] : [],
      );
      expect(written).toEqual([{ ...totals, localLastId: 0n, localMsat: totals.localMsat - 1_000_000n }]);
      expect(runner.frozenBecause).toBe(cause.message);
      expect(frozen).toEqual([cause.message]);
      expect(halts).toEqual([]);
      signing.by = sign;
      await run((batch) => expect(runner.run(batch, offer())).toMatchObject({ type: "frozen", detail: cause.message }));
      expect(frozen).toHaveLength(1);
    },
  );

  it("[B2-13] is as frozen after a new start as before", async () => {
    const { pair, session, run, frozen } = await setUp();
    const { channel } = pair.alice;
    channel.stage = { ...channel.stage, frozen: "something did not hold" };
    const surroundings = () => ({ ...pair.alice.context(), policy: DEFAULT_POLICY });
    const nothing = () => undefined;
    const effects = { broadcast: nothing, tell: nothing, event: nothing, removed: nothing, finished: nothing };
    const others = { forgotten: nothing, watch: nothing };
    const handlers = { ...effects, ...others, feeUnaffordable: nothing, frozen: nothing };
    const runner = new ChannelRunner({ state: channel, session, surroundings, handlers });
    await run((batch) =>
      expect(runner.run(batch, offer())).toMatchObject({ type: "frozen", detail: channel.stage.frozen }),
    );
    expect(runner.frozenBecause).toBe("something did not hold");
    expect(frozen).toEqual([]);
  });

  it("watches the chain and can be given up while it is frozen", async () => {
    const { runner, run, session } = await setUp();
    await run((batch) => void runner.run(batch, offer({ route: new Uint8Array(5_000) })));
    expect(runner.frozenBecause).toBeDefined();
    await run((batch) => expect(runner.run(batch, { type: "funding_unconfirmed" })).toBeUndefined());
    expect(runner.state.funding?.confirmedHeight).toBeUndefined();
    const sent = session.sent;
    const changes = await run((batch) => runner.fail(batch, { type: "failed_by_user", rule: "B2-43" }, true));
    expect(runner.state.stage.stage).toBe("failed");
    expect(kinds(changes)).toContain("stage");
    expect(session.sent).toBe(sent + 1);
  });

  it("[LS-5] spends the coins of a failed opening back while it is frozen", async () => {
    const { session, run } = await setUp();
    const pair = new DualPair().signAccept();
    const { alice } = pair;
    const { channel } = alice;
    channel.stage = { ...channel.stage, frozen: "something did not hold" };
    const surroundings = () => ({ ...alice.context(), policy: DEFAULT_POLICY });
    const nothing = () => undefined;
    const handlers = {
      ...{ event: nothing, removed: nothing, finished: nothing, forgotten: nothing, watch: nothing },
      ...{ feeUnaffordable: nothing, frozen: nothing },
      broadcast: (_: Batch, transaction: Uint8Array) => void alice.broadcasts.push(transaction),
      tell: (batch: Batch, runner: ChannelRunner, tell: Tell) => {
        if (tell.type !== "sign_funding") return;
        const signatures = pair.purses.alice.sign(tell);
        expect(runner.run(batch, { ...tell, type: "funding_signed", signatures })).toBeUndefined();
      },
    };
    const runner = new ChannelRunner({ state: channel, session, surroundings, handlers });
    await run((batch) => runner.fail(batch, { type: "failed_by_user", rule: "B2-43" }, true));
    const { cancellation } = runner.state.dualFunding ?? {};
    expect(cancellation).toBeDefined();
    expect(alice.broadcasts).toContain(cancellation);
    // At the user's wish it pays for replacing the funding transaction too.
    const script = payToWitnessPublicKeyHash(alice.signer.publicKey(alice.keys.walletKey(1, 5)));
    await run((batch) => expect(runner.run(batch, { type: "cancel_funding", script })).toBeUndefined());
    expect(runner.state.dualFunding?.cancellation).not.toEqual(cancellation);
    await run((batch) => void runner.run(batch, { type: "funding_conflict", height: alice.height }));
    alice.height += 5;
    await run((batch) => runner.touch(batch));
    expect(runner.state.stage).toMatchObject({ stage: "abandoned", frozen: "something did not hold" });
  });

  it("[B2-25] says once that it can't pay the rate that is needed, and again when that has been otherwise", async () => {
    const { run, runner, fees, short } = await setUp();
    const look = (nextBlock: number) => {
      fees.now = { ...FEES, nextBlock };
      return run((batch) => runner.touch(batch));
    };
    await look(2_000);
    expect(short).toEqual([]);
    // Half of 370 bytes at 10,000,000 is more than the channel holds.
    await look(5_000_000);
    await look(5_000_000);
    await look(6_000_000);
    expect(short).toEqual([10_000_000]);
    await look(2_000);
    await look(5_000_000);
    expect(short).toEqual([10_000_000, 10_000_000]);
  });
});
