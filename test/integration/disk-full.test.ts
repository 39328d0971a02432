import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Chain, type ChainServer, serveChain } from "../../src/adapters/chain-embedded/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import type { Msat, Satoshi } from "../../src/core/base/index.ts";
import { writeBackupFile } from "../../src/node/backup-file.ts";
import type { NodeEvent } from "../../src/node/index.ts";
import type { embeddedKillChain as EmbeddedKillChain } from "../processes/kill-chain.ts";
import type { KilledNode } from "../processes/killed-node.ts";
import { type SmallDisk, smallDisk } from "../support/small-disk.ts";

const COMPILED = new URL("../../.cache/processes/", import.meta.url);
const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PAYMENTS = 300;
const AMOUNT_MSAT = 1_000_000n;
const FUNDS_SAT = 1_000_000n;

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function disk(kilobytes: number): Promise<SmallDisk> {
  const made = await smallDisk(kilobytes);
  closing.push(() => made.close());
  return made;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "sluice-disk-"));
  closing.push(async () => rmSync(made, { recursive: true, force: true }));
  return made;
}

const isHalt = (event: NodeEvent): event is Extract<NodeEvent, { type: "halted" }> => event.type === "halted";

describe("a disk that fills up under payments", () => {
  async function parts() {
    const { embeddedKillChain } = (await import(new URL("test/processes/kill-chain.js", COMPILED).href)) as {
      embeddedKillChain: typeof EmbeddedKillChain;
    };
    const { KilledNode: Node } = (await import(new URL("test/processes/killed-node.js", COMPILED).href)) as {
      KilledNode: typeof KilledNode;
    };
    const chain = await embeddedKillChain();
    closing.push(() => chain.close());
    return { chain, Node };
  }

  it.each(["payer", "receiver"] as const)(
    "[LW-5] halts the %s with the reason, loses nothing that was durable, and goes on when there is room",
    async (victim) => {
      const { chain, Node } = await parts();
      const small = await disk(1_500);
      const node = (name: "payer" | "receiver"): KilledNode => {
        const isVictim = name === victim;
        const options = { directory: join(isVictim ? small.folder : folder(), name), chain: chain.access };
        const made = new Node(name, options, isVictim ? () => small.launcher() : undefined);
        closing.push(() => made.end());
        return made;
      };
      const [payer, receiver] = [node("payer"), node("receiver")];
      const halted = (victim === "payer" ? payer : receiver).when(isHalt);
      await chain.fund(await payer.ask("newAddress"), 2n * FUNDS_SAT);
      await receiver.ask("height");
      await chain.mine(1);
      await payer.until(async () => ((await payer.ask("balance")).confirmedSat > 0n ? true : undefined));
      await payer.ask("connect", receiver.address.nodeId, receiver.address.port);
      const pushMsat = 100_000_000n;
      await payer.ask("openChannel", receiver.address.nodeId, {
        amountSat: FUNDS_SAT as Satoshi,
        pushMsat: pushMsat as Msat,
      });
      const stage = (one: KilledNode, wanted: string) =>
        one.until(async () => ((await one.ask("channels"))[0]?.stage === wanted ? true : undefined));
      for (const one of [payer, receiver]) await stage(one, "awaiting_depth");
      await chain.mine(6);
      for (const one of [payer, receiver]) await stage(one, "open");
      const hashes = await receiver.ask("invoices", PAYMENTS, AMOUNT_MSAT);
      const order = { channel: 0, amountMsat: AMOUNT_MSAT, hashes, inFlight: 2, prefix: "p" };

      const paying = payer.call("pay", order).catch((cause: unknown) => cause);
      const event = await halted;
      expect(event.cause).toMatchObject({ name: "StoreError", code: expect.stringMatching(/^(full|io)$/) });
      const { message } = event.cause as Error;
      expect(message).toMatch(/^(No space is left for|Could not write|Could not commit) .*sluice\.db/);
      expect(message).toMatch(/make space and try again|Check that the file/);
      if (victim === "payer") expect(await paying).toBeInstanceOf(Error);

      small.makeRoom();
      await (victim === "payer" ? payer : receiver).kill();
      const report = await payer.ask("pay", order);
      expect([report.failed, report.refused]).toEqual([0, []]);
      const paid = AMOUNT_MSAT * BigInt(PAYMENTS);
      for (let n = 0; n < PAYMENTS; n++) expect((await payer.ask("payment", `p${n}`))?.state).toBe("succeeded");
      for (const hash of hashes) {
        expect(await receiver.ask("invoice", hash)).toMatchObject({ state: "settled", receivedMsat: AMOUNT_MSAT });
      }
      const settled = (one: KilledNode) =>
        one.until(async () => (await one.ask("channels")).find(({ htlcs, stage }) => htlcs === 0 && stage === "open"));
      expect((await settled(payer)).localMsat).toBe(FUNDS_SAT * 1000n - pushMsat - paid);
      expect((await settled(receiver)).localMsat).toBe(pushMsat + paid);
      const tally = { count: PAYMENTS, amountMsat: paid };
      expect((await payer.ask("record", 0))?.sent.fulfilled).toEqual(tally);
      expect((await receiver.ask("record", 0))?.received.fulfilled).toEqual(tally);
    },
  );
});

describe("the command on a full disk", () => {
  async function served(): Promise<{ chain: Chain; server: ChainServer }> {
    const clock = systemClock();
    const chain = new Chain(clock);
    chain.mine(1);
    const server = await serveChain({ chain, clock, user: "u", password: "p", port: 0 });
    closing.push(() => server.close());
    return { chain, server };
  }

  function sluice(launcher: readonly string[], args: readonly string[]) {
    const [command = "", ...rest] = [...launcher, process.execPath, CLI, ...args];
    const child = spawn(command, rest, { env: { ...process.env, SLUICE_RPC_PASSWORD: "p" }, stdio: "pipe" });
    closing.push(async () => void child.kill("SIGKILL"));
    let errors = "";
    child.stderr.on("data", (data: Buffer) => {
      errors += data.toString();
    });
    const ended = once(child, "close").then(([code]: unknown[]) => ({ code, errors }));
    return { child, ended, lines: createInterface({ input: child.stdout }) };
  }

  it("ends with code 3, what happened and what to do; with room, it starts and catches up", async () => {
    const { chain, server } = await served();
    const small = await disk(800);
    const args = ["start", "--data-dir", join(small.folder, "node"), "--rpc-url", server.url, "--rpc-user", "u"];
    const options = [...args, "--listen", "127.0.0.1:0", "--json"];
    const full = sluice(small.launcher(), options);
    // As each block is taken in there is another, until nothing can be written any more.
    full.lines.on("line", (line) => {
      if (/"type":"(started|block)"/.test(line)) chain.mine(1);
    });
    const { code, errors } = await full.ended;
    expect(errors).toMatch(/The node stopped by itself: (No space is left for|Could not (write|commit)) .*sluice\.db/);
    expect(errors).toMatch(/make space and try again|Check that the file/);
    expect(code).toBe(3);

    small.makeRoom();
    const again = sluice(small.launcher(), options);
    const caughtUp = new Promise<void>((resolve) => {
      again.lines.on("line", (line) => {
        if (line.includes('"type":"started"') && line.includes(`"height":${chain.tip.height}`)) resolve();
      });
    });
    await caughtUp;
    again.child.kill("SIGTERM");
    await again.ended;
  });

  it("ends with code 3 where it can't even begin, and begins when there is room", async () => {
    const { server } = await served();
    const small = await disk(100);
    const args = ["start", "--data-dir", join(small.folder, "node"), "--rpc-url", server.url, "--rpc-user", "u"];
    const options = [...args, "--listen", "127.0.0.1:0", "--json"];
    const { code, errors } = await sluice(small.launcher(), options).ended;
    expect(errors).toMatch(/No space is left|Could not (open|write)/);
    expect(code).toBe(3);
    small.makeRoom();
    const again = sluice(small.launcher(), options);
    await new Promise<void>((resolve) => {
      again.lines.on("line", (line) => {
        if (line.includes('"type":"started"')) resolve();
      });
    });
    again.child.kill("SIGTERM");
    await again.ended;
  });
});

describe("a backup for which there is no room", () => {
  it.skipIf(!existsSync("/dev/full"))("leaves the one before as it was, and nothing half written", async () => {
    const place = folder();
    const file = join(place, "backup.sluice");
    await writeBackupFile(file, Uint8Array.of(1, 2, 3));
    symlinkSync("/dev/full", `${file}.new`);
    await expect(writeBackupFile(file, new Uint8Array(100))).rejects.toMatchObject({ code: "ENOSPC" });
    expect([...readFileSync(file)]).toEqual([1, 2, 3]);
    expect(readdirSync(place)).toEqual(["backup.sluice"]);
    await writeBackupFile(file, Uint8Array.of(4));
    expect([...readFileSync(file)]).toEqual([4]);
  });
});
