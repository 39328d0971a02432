import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeSuite } from "../../../test/support/store-suite.ts";
import { openSqliteStore } from "./index.ts";

storeSuite("the store in SQLite", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-store-"));
  let store = await openSqliteStore({ directory });
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openSqliteStore({ directory });
      return store;
    },
    end: async () => {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});
