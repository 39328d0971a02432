import type { TwoProcesses } from "../test/processes/two-processes.ts";
import { CHUNK, pay, storeBytes } from "./pay.ts";

/** How a channel does that has made so many payments. */
export type HistoryRow = {
  readonly payments: number;
  /** Of the newest payments, at most a chunk of them. */
  readonly perSecond: number;
  readonly cpuMsPerPayment: number;
  /** Growth of the file since the row before, of one node. Both nodes were stopped, so that no log is left. */
  readonly storeBytesPerPayment: number;
  /** From the start of the process to a node that listens, its channel loaded and the chain caught up with. */
  readonly restartMs: number;
  /** CPU of that process, which other work on the machine does not change. */
  readonly restartCpuMs: number;
  /** The same time after a kill -9 in the place of an orderly stop, so that a log is replayed. */
  readonly killedRestartMs: number;
  /** Of the orderly one, the part that is the library's: openNode, which has the store, the chain and the channels ready. */
  readonly openNodeMs: number;
};

const IN_FLIGHT = 100;

/** Pays until the channel has made each of these numbers of payments, and starts both nodes again each time. */
export async function measureHistory(two: TwoProcesses, totals: readonly number[]): Promise<HistoryRow[]> {
  const rows: HistoryRow[] = [];
  await two.stop();
  let bytes = storeBytes(two.directory);
  await two.launch("alice");
  await two.launch("bob");
  let before = 0;
  for (const payments of totals) {
    await two.untilReady();
    const newest = Math.min(CHUNK, payments - before);
    await pay(two, IN_FLIGHT, payments - before - newest, `history-${payments}`);
    const run = await pay(two, IN_FLIGHT, newest, `newest-${payments}`);
    const killed = await two.restart("bob");
    await two.stop();
    const grown = storeBytes(two.directory) - bytes;
    bytes += grown;
    const { processMs: restartMs, openNodeMs } = await two.launch("bob");
    const restartCpuMs = await two.bob.call("cpuMs");
    await two.launch("alice");
    rows.push({
      payments,
      perSecond: Math.round((newest * 1000) / run.ms),
      cpuMsPerPayment: run.cpuMs / newest,
      storeBytesPerPayment: grown / (payments - before) / 2,
      restartMs,
      restartCpuMs,
      killedRestartMs: killed.processMs,
      openNodeMs,
    });
    before = payments;
  }
  return rows;
}
