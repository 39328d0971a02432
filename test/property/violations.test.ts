import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { equalBytes, type Satoshi, toHex } from "../../src/core/base/index.ts";
import { CHANNEL_ERROR_TYPES, type ChannelErrorType, reactionTo } from "../../src/core/payment-channel/index.ts";
import { RuleScene, worth } from "../support/rule-scene.ts";
import { type Breach, beforeOpening, VIOLATIONS } from "../support/violations.ts";

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);

const CASES = (Object.entries(VIOLATIONS) as [ChannelErrorType, readonly Breach[]][]).flatMap(([type, breaches]) =>
  breaches.map((breach) => ({ type, rule: breach.rule, by: breach.by, breach })),
);

let scene: RuleScene;

/** The text of every test beside the code. */
function unitTests(): string {
  const source = new URL("../../src/", import.meta.url).pathname;
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".test.ts"));
  return files.map((file) => readFileSync(join(source, file), "utf8")).join("\n");
}

describe("every error of a channel", () => {
  it("is one that a test causes: a peer's in the table of violations or beside the code, a refusal beside the code", () => {
    const tests = unitTests();
    const unproved = CHANNEL_ERROR_TYPES.filter((type) => {
      const breaches = reactionTo({ type, rule: "" }) === "fail_channel" ? (VIOLATIONS[type] ?? []) : [];
      return breaches.length === 0 && !tests.includes(`"${type}"`);
    });
    expect(unproved).toEqual([]);
  });
});

describe("a peer that breaks a rule", () => {
  afterEach(() => scene.stop());

  it.each(CASES)(
    "[$rule] $type: $by",
    async ({ type, breach }) => {
      expect(reactionTo({ type, rule: breach.rule })).toBe("fail_channel");
      scene = new RuleScene();
      beforeOpening(scene, breach);
      await scene.start(breach.victim);
      const { world, peer, test } = scene;
      await breach.before?.(scene);
      await world.quiet();
      expect(scene.violations()).toEqual([]);
      expect(scene.stages()).toEqual(["open", "open"]);
      const known = test.node.channels().map(({ channel }) => channel);
      const [victim, bystander] = [scene.summary(scene.victim), scene.summary(scene.bystander)];

      await breach.breach(scene);
      await world.quiet();

      // The error says type, rule and numbers, and is told once: to whoever listens here, and to the peer.
      const problems = scene.violations();
      expect(problems).toHaveLength(1);
      const [problem] = problems;
      expect(problem).toMatch(new RegExp(`^${type.replaceAll("_", " ")} \\[${breach.rule}\\]`));
      const ended = test.node.channels().filter(({ stage }) => stage === "failed" || stage === "abandoned");
      for (const { failure } of ended) expect(failure).toBe(problem);
      if (breach.told !== false) {
        expect(scene.errors().map((error) => error.problem)).toEqual(
          breach.ends === "proposal" ? [problem] : ended.map(() => problem),
        );
        if (breach.ends !== "proposal") {
          const named = new Set(scene.errors().map(({ channelId }) => channelId));
          // A channel that was not named for good yet goes by its temporary id.
          const expected = ended
            .filter(({ localCommitment }) => localCommitment >= 0)
            .map((one) => toHex(one.channelId));
          for (const id of expected) expect(named).toContain(id);
        }
      }

      // What ends is what it concerns, with all that it was worth.
      const ends = { victim: 1, all: 2, newcomer: 0, proposal: 0 }[breach.ends];
      for (const [n, before] of [victim, bystander].entries()) {
        const after = test.node.channels().find(({ channelId }) => equalBytes(channelId, before.channelId));
        expect(after?.stage).toBe(n < ends ? "failed" : "open");
        if (after !== undefined) expect(worth(after)).toEqual(worth(before));
      }
      const newcomers = test.node.channels().filter(({ channel }) => !known.includes(channel) || channel > 1);
      expect(newcomers.map(({ stage }) => stage === "failed" || stage === "abandoned")).toEqual(
        breach.ends === "newcomer" ? [true] : [],
      );

      // And so it is for the node's next life.
      const lasting = test.node.channels().filter(({ stage }) => stage !== "abandoned");
      await scene.restart();
      for (const before of lasting) {
        const after = test.node.channel(before.channel);
        expect([after?.stage, after?.failure]).toEqual([before.stage, before.failure]);
        if (after !== undefined) expect(worth(after)).toEqual(worth(before));
      }
      expect(peer.channels.length).toBeGreaterThanOrEqual(2);
    },
    60_000,
  );
});

describe("what we end ourselves", () => {
  afterEach(() => scene.stop());

  it("[B2-12] insufficient_funds: a channel that the wallet can't pay for is given up, and the peer told", async () => {
    scene = await new RuleScene().start();
    const { world, peer, test } = scene;
    const request = { amountSat: 3_000_000n as Satoshi };
    expect(await world.outcome(test.node.openChannel(peer.nodeId, request))).toMatchObject({ ok: true });
    await world.quiet();
    const [problem] = scene.errors().map((error) => error.problem);
    expect(problem).toMatch(/^insufficient funds \[B2-12\], limit 3\d{6}, actual 1100000$/);
    expect(test.node.channels().map(({ stage, failure }) => [stage, failure])).toEqual([
      ["open", undefined],
      ["open", undefined],
      ["abandoned", problem],
    ]);
    expect(scene.violations()).toEqual([]);
    // Nothing is held back for it: what it can pay for, it opens.
    await scene.nodeOpens();
    await world.quiet();
    expect(test.node.channels().map(({ stage }) => stage)).toContain("awaiting_depth");
  });

  it("[B2-42] [B2-43] failed_by_user: a channel that its owner gives up fails alone, and the peer is told", async () => {
    scene = await new RuleScene().start();
    const { world, test } = scene;
    const before = scene.summary(scene.victim);
    await world.outcome(test.node.failChannel(before.channel));
    await world.quiet();
    expect(scene.errors().map((error) => error.problem)).toEqual(["failed by user [B2-43]"]);
    expect(scene.stages()).toEqual(["failed", "open"]);
    expect(worth(scene.summary(scene.victim))).toEqual(worth(before));
    await scene.restart();
    expect(scene.stages()).toEqual(["failed", "open"]);
  });
});
