import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { EmbeddedLedger } from "./ledger.ts";

/**
 * A view of a ledger of the same process as the port that nodes use. Several views of one ledger may be open; `close` ends the view's hints and
 * nothing else. Listeners are called in a later turn than the call that changed the tip.
 */
export function embeddedLedger(ledger: EmbeddedLedger, clock: Pick<Clock, "soon">): Ledger {
  const ends = new Set<() => void>();
  return {
    describe: async () => ledger.description,
    tip: async () => ledger.tip(),
    account: async (id) => ledger.account(id),
    channel: async (id) => ledger.channel(id),
    contract: async (channel, name) => ledger.contract(channel, name),
    submit: async (transaction) => ledger.submit(transaction),
    transaction: async (id) => ledger.transaction(id),
    log: async (page) => ledger.log(page),
    subscribe(listener) {
      let isOpen = true;
      const unsubscribe = ledger.subscribe(() => {
        clock.soon(() => {
          if (!isOpen) return;
          try {
            listener();
          } catch {
            // A listener's own fault must not end the process.
          }
        });
      });
      const end = (): void => {
        isOpen = false;
        ends.delete(end);
        unsubscribe();
      };
      ends.add(end);
      return end;
    },
    async close() {
      for (const end of ends) end();
    },
  };
}
