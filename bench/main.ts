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
  { inFlight: 1, payments: 300 },
  { inFlight: 10, payments: 2_000 },
  { inFlight: 100, payments: 10_000 },
  { inFlight: 400, payments: 20_000 },
];

const AMOUNT_MSAT = 100_000n;

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function storeBytes(directory: string): number {
  return ["alice", "bob"].reduce((sum, name) => sum + statSync(join(directory, name, "sluice.db")).size, 0);
}

async function measure(two: TwoProcesses, inFlight: number, payments: number): Promise<Row> {
  const { alice, bob } = two;
  const hashes = await bob.call("invoices", payments, AMOUNT_MSAT);
  const cpuBefore = await bob.call("cpuMs");
  const bytesBefore = storeBytes(two.directory);
  const prefix = `${inFlight}-${payments}-`;
  const report = await alice.call("pay", { channel: 0, amountMsat: AMOUNT_MSAT, hashes, inFlight, prefix });
  const cpuMs = report.cpuMs + (await bob.call("cpuMs")) - cpuBefore;
  if (report.failed > 0 || report.refused.length > 0) {
    throw new Error(`${report.failed} payments failed, ${report.refused.length} refused (${report.refused[0]})`);
  }
  // The same money goes back, so that every scenario starts alike.
  const back = await alice.call("invoices", payments, AMOUNT_MSAT);
  const returned = await bob.call("pay", {
    channel: 0,
    amountMsat: AMOUNT_MSAT,
    hashes: back,
    inFlight: 100,
    prefix: `back-${prefix}`,
  });
  if (returned.failed > 0 || returned.refused.length > 0) throw new Error("the money did not come back");
  const sorted = [...report.latencies].sort((a, b) => a - b);
  return {
    inFlight,
    payments,
    perSecond: Math.round((payments * 1000) / report.ms),
    medianMs: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpuMsPerPayment: cpuMs / payments,
    storeBytesPerPayment: (storeBytes(two.directory) - bytesBefore) / payments / 4,
  };
}

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  const chain = await embeddedSharedChain();
  const two = new TwoProcesses(chain);
  const rows: Row[] = [];
  try {
    await two.openChannel({ amountSat: 4_000_000n, pushMsat: 500_000_000n });
    await measure(two, 100, 1_000);
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
