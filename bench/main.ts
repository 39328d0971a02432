// npm run bench: what a channel does, two processes over loopback TCP, SQLite with synchronous=FULL. Figures are printed as
// a table, or as JSON with --json; nothing is asserted.
//
//   npm run bench                  rates and latencies by payments in flight
//   npm run bench -- --history     the same channel after 1,000, 10,000 and 100,000 payments: rate, file, restart

import { embeddedSharedChain, TwoProcesses } from "../test/processes/two-processes.ts";
import { type HistoryRow, measureHistory } from "./history.ts";
import { CHUNK, pay, storeBytes } from "./pay.ts";

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
const HISTORY = [1_000, 10_000, 100_000];

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

async function measure(two: TwoProcesses, inFlight: number, payments: number): Promise<Row> {
  const bytesBefore = storeBytes(two.directory);
  const { ms, cpuMs, latencies } = await pay(two, inFlight, payments, `${inFlight}-${payments}`);
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

async function measureScenarios(two: TwoProcesses): Promise<Row[]> {
  const rows: Row[] = [];
  await measure(two, 100, 4 * CHUNK);
  for (const { inFlight, payments } of SCENARIOS) rows.push(await measure(two, inFlight, payments));
  return rows;
}

/** Has `run` use two processes with a channel between them. */
async function withChannel<T>(run: (two: TwoProcesses) => Promise<T>): Promise<T> {
  const chain = await embeddedSharedChain();
  // Looking for blocks costs CPU that is not the payments'.
  const two = new TwoProcesses({ ...chain, access: { ...chain.access, pollMs: 2_000 } }, {}, true);
  try {
    await two.openChannel({ amountSat: 4_000_000n, pushMsat: 1_000_000_000n });
    const result = await run(two);
    await two.stop();
    return result;
  } finally {
    await two.close();
    await chain.close();
  }
}

const SETTING = "two processes over loopback TCP, SQLite synchronous=FULL, empty route";

function printScenarios(rows: readonly Row[]): void {
  console.log(`One channel, ${SETTING}:`);
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

function printHistory(rows: readonly HistoryRow[]): void {
  console.log(`One channel after so many payments, 100 in flight, ${SETTING}:`);
  console.table(
    rows.map((row) => ({
      payments: row.payments,
      "settled/s": row.perSecond,
      "CPU ms, both": Number(row.cpuMsPerPayment.toFixed(3)),
      "store bytes/node": Math.round(row.storeBytesPerPayment),
      "restart ms": Math.round(row.restartMs),
      "restart CPU ms": Math.round(row.restartCpuMs),
      "openNode ms": Math.round(row.openNodeMs),
      "restart ms, killed": Math.round(row.killedRestartMs),
    })),
  );
}

async function main(): Promise<void> {
  const [json, history] = [process.argv.includes("--json"), process.argv.includes("--history")];
  if (history) {
    const rows = await withChannel((two) => measureHistory(two, HISTORY));
    if (json) console.log(JSON.stringify({ node: process.version, history: rows }));
    else printHistory(rows);
    return;
  }
  const rows = await withChannel(measureScenarios);
  if (json) console.log(JSON.stringify({ node: process.version, rows }));
  else printScenarios(rows);
}

await main();
