import Database from "better-sqlite3";

/** What a statement takes and gives. Integers are read as bigint, since amounts and ids go beyond 2^53. */
export type SqlValue = bigint | number | string | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export type SqlStatement = {
  run(...values: readonly SqlValue[]): { readonly changes: number };
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  all(...values: readonly SqlValue[]): readonly SqlRow[];
};

/** The little of a SQL engine that the store uses, so that another one can take its place. */
export type SqlEngine = {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  close(): void;
};

/** Opens the file, or makes it. Somebody else's lock is an error at once: nobody shares a store. */
export function openEngine(file: string): SqlEngine {
  const database = new Database(file, { timeout: 0 });
  database.defaultSafeIntegers(true);
  return {
    exec: (sql) => void database.exec(sql),
    prepare: (sql) => database.prepare<SqlValue[], SqlRow>(sql),
    close: () => void database.close(),
  };
}
