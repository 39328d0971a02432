// npm run bench: what a channel does, two processes over loopback TCP, SQLite with synchronous=FULL. Figures are printed as
// a table, or as JSON with --json; nothing is asserted.

import { statSync } from "node:fs";
import { join } from "node:path";
import { embeddedSharedChain, TwoProcesses } from "../test/processes/two-processes.ts";

type Row = {
  readonly inFlight: number;
  readonly payments: number;
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  /** CPU of both processes together. */
  readonly cpuMsPerPayment: number;
  readonly storeBytesPerPayment: number;
};

const SCENARIOS = [
  { inFlight: 1, payments: 400 },
  { inFlight: 10, payments: 4_000 },
  { inFlight: 100, payments: 16_000 },
  { inFlight: 400, payments: 32_000 },
];

/** Worth an output each, so that commitments hold what they would hold. */
const AMOUNT_MSAT = 600_000n;
/** What one side can pay before the money has to come back. */
const CHUNK = 4_000;

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function storeBytes(directory: string): number {
  return ["alice", "bob"].reduce((sum, name) => sum + statSync(join(directory, name, "sluice.db")).size, 0);
}

/** Pays back and forth in chunks, since no channel holds 20,000 such payments in one direction. */
async function measure(two: TwoProcesses, inFlight: number, payments: number): Promise<Row> {
  const bytesBefore = storeBytes(two.directory);
  const latencies: number[] = [];
  let ms = 0;
  let cpuMs = 0;
  for (let done = 0; done < payments; done += CHUNK) {
    const [channel] = await two.alice.call("channels");
    const aliceIsRicher = channel !== undefined && channel.localMsat > channel.remoteMsat;
    const [payer, payee] = aliceIsRicher ? [two.alice, two.bob] : [two.bob, two.alice];
    const hashes = await payee.call("invoices", Math.min(CHUNK, payments - done), AMOUNT_MSAT);
    const cpuBefore = await payee.call("cpuMs");
    const prefix = `${inFlight}-${payments}-${done}-`;
    const report = await payer.call("pay", { channel: 0, amountMsat: AMOUNT_MSAT, hashes, inFlight, prefix });
    if (report.failed > 0 || report.refused.length > 0) {
      throw new Error(`${report.failed} payments failed, ${report.refused.length} refused (${report.refused[0]})`);
    }
    ms += report.ms;
    cpuMs += report.cpuMs + (await payee.call("cpuMs")) - cpuBefore;
    latencies.push(...report.latencies);
  }
  latencies.sort((a, b) => a - b);
  return {
    inFlight,
    payments,
    perSecond: Math.round((payments * 1000) / ms),
    medianMs: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMsPerPayment: cpuMs / payments,
    storeBytesPerPayment: (storeBytes(two.directory) - bytesBefore) / payments / 2,
  };
}

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  const chain = await embeddedSharedChain();
  // Looking for blocks costs CPU that is not the payments'.
  const two = new TwoProcesses({ ...chain, access: { ...chain.access, pollMs: 2_000 } });
  const rows: Row[] = [];
  try {
    await two.openChannel({ amountSat: 4_000_000n, pushMsat: 1_000_000_000n });
    await measure(two, 100, 2 * CHUNK);
    for (const { inFlight, payments } of SCENARIOS) rows.push(await measure(two, inFlight, payments));
    await Promise.all([two.alice.stop(), two.bob.stop()]);
  } finally {
    await two.close();
    await chain.close();
  }
  if (json) {
    console.log(JSON.stringify({ node: process.version, rows }));
    return;
  }
  console.log("One channel, two processes over loopback TCP, SQLite synchronous=FULL, empty route:");
  console.table(
    rows.map((row) => ({
      "in flight": row.inFlight,
      payments: row.payments,
      "settled/s": row.perSecond,
      "median ms": Number(row.medianMs.toFixed(2)),
      "p99 ms": Number(row.p99Ms.toFixed(2)),
      "CPU ms, both": Number(row.cpuMsPerPayment.toFixed(3)),
      "store bytes/node": Math.round(row.storeBytesPerPayment),
    })),
  );
}

await main();
