import { statSync } from "node:fs";
import { join } from "node:path";
import type { TwoProcesses } from "../test/processes/two-processes.ts";

/** What a number of payments took. */
export type Run = {
  readonly ms: number;
  /** Milliseconds of each payment, from the request to its end, ascending. */
  readonly latencies: readonly number[];
  /** CPU of both processes together. */
  readonly cpuMs: number;
};

/** Worth an output each, so that commitments hold what they would hold. */
const AMOUNT_MSAT = 600_000n;
/** What the richer side of a channel of 4,000,000 satoshi can always pay before the money has to come back. */
export const CHUNK = 2_000;

/** Pays back and forth in chunks, since no channel holds many such payments in one direction. */
export async function pay(two: TwoProcesses, inFlight: number, payments: number, name: string): Promise<Run> {
  const latencies: number[] = [];
  let ms = 0;
  let cpuMs = 0;
  for (let done = 0; done < payments; done += CHUNK) {
    const [channel] = await two.alice.call("channels");
    const aliceIsRicher = channel !== undefined && channel.localMsat > channel.remoteMsat;
    const [payer, payee] = aliceIsRicher ? [two.alice, two.bob] : [two.bob, two.alice];
    const hashes = await payee.call("invoices", Math.min(CHUNK, payments - done), AMOUNT_MSAT);
    const cpuBefore = await payee.call("cpuMs");
    const prefix = `${name}-${done}-`;
    const report = await payer.call("pay", { channel: 0, amountMsat: AMOUNT_MSAT, hashes, inFlight, prefix });
    if (report.failed > 0 || report.refused.length > 0) {
      throw new Error(`${report.failed} payments failed, ${report.refused.length} refused (${report.refused[0]})`);
    }
    ms += report.ms;
    cpuMs += report.cpuMs + (await payee.call("cpuMs")) - cpuBefore;
    latencies.push(...report.latencies);
  }
  return { ms, cpuMs, latencies: latencies.sort((a, b) => a - b) };
}

/** Of both nodes together. What is still in the log of a running node is not in it. */
export function storeBytes(directory: string): number {
  return ["alice", "bob"].reduce((sum, name) => sum + statSync(join(directory, name, "sluice.db")).size, 0);
}
