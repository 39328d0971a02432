import { assertNever } from "../../core/base/index.ts";
import { HTLC_OUTCOMES } from "../../ports/record-rows.ts";
import type { StoreChange } from "../../ports/store.ts";
import { placeToSql, sideToSql } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";
import { insert, upsert } from "./statements.ts";

export type RecordChange = Extract<StoreChange, { type: "record" | "tally" | "life" | "moment" }>;

/** Prepares what writes the records of channels. */
export function recordWriter(engine: SqlEngine): (change: RecordChange) => void {
  const counted = "counted_local counted_remote connections lowest_local_msat lowest_remote_msat";
  const setRecord = upsert(engine, "record", "channel", counted);
  const setTally = upsert(engine, "tally", "channel offerer outcome", "count amount_msat");
  const setLife = upsert(engine, "life", "channel", "opened_at ended_at funding_fee_sat");
  const addMoment = insert(
    engine,
    "moment",
    "channel ordinal at staged_local staged_remote settled_local settled_remote commitment_local commitment_remote",
  );
  return (change) => {
    switch (change.type) {
      case "record": {
        const { channel, countedUpTo, connections, lowestLocalMsat, lowestRemoteMsat } = change.row;
        const lowest = [lowestLocalMsat ?? null, lowestRemoteMsat ?? null];
        setRecord.run(channel, countedUpTo.local, countedUpTo.remote, connections, ...lowest);
        return;
      }
      case "tally": {
        const { channel, offerer, outcome, count, amountMsat } = change.row;
        setTally.run(channel, sideToSql(offerer), placeToSql(outcome, HTLC_OUTCOMES), count, amountMsat);
        return;
      }
      case "life": {
        const { channel, openedAt, endedAt, fundingFeeSat } = change.row;
        setLife.run(channel, openedAt ?? null, endedAt ?? null, fundingFeeSat ?? null);
        return;
      }
      case "moment": {
        const { channel, ordinal, at, staged, settled, commitments } = change.row;
        const covers = [staged.local, staged.remote, settled.local, settled.remote];
        addMoment.run(channel, ordinal, at, ...covers, commitments.local, commitments.remote);
        return;
      }
      default:
        assertNever(change);
    }
  };
}
