import type { ReplayRow, StoreChange } from "../../ports/store.ts";
import { readBytes, readNumber } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";
import { insert } from "./statements.ts";

export type ReplayChange = Extract<StoreChange, { type: "replay_row" | "replay_pruned" }>;

/** Prepares what writes the inputs that channels are replayed from. */
export function replayWriter(engine: SqlEngine): (change: ReplayChange) => void {
  const add = insert(engine, "replay", "channel batch place body");
  const prune = engine.prepare(
    `WITH mine AS (SELECT batch, place FROM replay WHERE channel = ?),
       checkpoint AS (SELECT batch FROM mine WHERE place = 0),
       enough AS (SELECT batch FROM mine ORDER BY batch DESC, place DESC LIMIT 1 OFFSET ?)
     DELETE FROM replay WHERE channel = ? AND batch < max(
       coalesce((SELECT max(batch) FROM checkpoint WHERE batch <= (SELECT batch FROM enough)), 0),
       coalesce((SELECT batch FROM checkpoint ORDER BY batch DESC LIMIT 1 OFFSET ?), 0))`,
  );
  return (change) => {
    if (change.type === "replay_pruned") {
      const { channel, rows, checkpoints } = change;
      prune.run(channel, rows - 1, channel, checkpoints - 1);
      return;
    }
    const { channel, batch, place, body } = change.row;
    add.run(channel, batch, place, body);
  };
}

export function replayReader(engine: SqlEngine): (channel: number) => ReplayRow[] {
  const find = engine.prepare("SELECT * FROM replay WHERE channel = ? ORDER BY batch, place");
  return (channel) =>
    find.all(channel).map((row) => ({
      channel: readNumber(row, "channel"),
      batch: readNumber(row, "batch"),
      place: readNumber(row, "place"),
      body: readBytes(row, "body"),
    }));
}
