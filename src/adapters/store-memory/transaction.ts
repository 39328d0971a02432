import { invariant } from "../../core/base/index.ts";

/** Changes to maps that can be taken back. Rows are copied on their way in, so that nobody outside shares them. */
export type Transaction = {
  /** Adds a row or replaces it. */
  set<K, V>(table: Map<K, V>, key: K, row: V): void;
  /** Adds a row that is not there yet; throws InvariantBroken where it is. */
  insert<K, V>(table: Map<K, V>, key: K, row: V): void;
  remove<K, V>(table: Map<K, V>, key: K): void;
  rollback(): void;
};

export function transaction(): Transaction {
  const undo: (() => void)[] = [];

  function set<K, V>(table: Map<K, V>, key: K, row: V): void {
    const before = table.get(key);
    undo.push(() => {
      if (before === undefined) table.delete(key);
      else table.set(key, before);
    });
    table.set(key, copyRow(row));
  }

  return {
    set,
    insert(table, key, row) {
      invariant(!table.has(key), `a row is inserted once (key ${String(key)})`);
      set(table, key, row);
    },
    remove(table, key) {
      const before = table.get(key);
      if (before === undefined) return;
      undo.push(() => void table.set(key, before));
      table.delete(key);
    },
    rollback() {
      for (const action of undo.reverse()) action();
    },
  };
}

/** A row that shares nothing with `row`. Maps are tables, not rows, and stay themselves. */
export function copyRow<T>(row: T): T {
  return copyValue(row) as T;
}

function copyValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copyValue);
  if (typeof value !== "object" || value === null || value instanceof Map) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyValue(part)]));
}
