import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeLedger, type LedgerFixture } from "../../../test/support/ledger-suite.ts";
import type { Ledger } from "../../ports/ledger.ts";
import { systemClock, systemRandom } from "../system/index.ts";
import { embeddedLedger, openLedger } from "./index.ts";

async function open(): Promise<LedgerFixture> {
  const directory = mkdtempSync(join(tmpdir(), "sluice-ledger-"));
  const clock = systemClock();
  const start = () => openLedger({ directory, clock, random: systemRandom(), retractable: 5 });
  let inner = start();
  let ledger: Ledger = embeddedLedger(inner, clock);
  return {
    get ledger() {
      return ledger;
    },
    mine: async (count) => void inner.mine(count),
    faucet: async (account, amount) => void inner.faucet(account, amount),
    async retract(depth) {
      inner.retract(depth);
      inner.mine(depth);
    },
    async restart() {
      inner.close();
      inner = start();
      ledger = embeddedLedger(inner, clock);
    },
    async close() {
      await ledger.close();
      inner.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describeLedger("the embedded ledger", open);
