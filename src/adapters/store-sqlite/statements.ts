import type { SqlEngine, SqlStatement } from "./engine.ts";

function names(columns: string): string[] {
  return columns.split(" ");
}

/** Adds a row. `columns` are separated by spaces; values are bound in their order. */
export function insert(engine: SqlEngine, table: string, columns: string): SqlStatement {
  const all = names(columns);
  return engine.prepare(`INSERT INTO ${table} (${all.join(", ")}) VALUES (${all.map(() => "?").join(", ")})`);
}

/** Adds a row, or replaces all of it but its place where a row with the same `key` is there. */
export function upsert(engine: SqlEngine, table: string, key: string, columns: string): SqlStatement {
  const all = [...names(key), ...names(columns)];
  return engine.prepare(
    `INSERT INTO ${table} (${all.join(", ")}) VALUES (${all.map(() => "?").join(", ")})
     ON CONFLICT (${names(key).join(", ")}) DO UPDATE SET ${names(columns)
       .map((column) => `${column} = excluded.${column}`)
       .join(", ")}`,
  );
}
