import { credit } from "./ledger-rows.ts";
import { DONE, type OfType, type Outcome, type RuleContext, refuse, take } from "./rule-context.ts";

/** Money from one account to another, which is made where it is new. */
export function transfer(context: RuleContext, { to, amount }: OfType<"transfer">): Outcome {
  if (amount === 0n) return refuse({ type: "amount_zero" });
  const taken = take(context, context.transaction.from, amount);
  if (!taken.ok) return taken;
  credit(context.rows, to, amount);
  return DONE;
}
