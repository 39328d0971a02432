import { describe, expect, it } from "vitest";
import { storeSuite } from "../../../test/support/store-suite.ts";
import { InvariantBroken } from "../../core/base/index.ts";
import { memoryStore } from "./index.ts";

storeSuite("the store in memory", async () => {
  let store = memoryStore();
  return {
    store,
    reopen: async () => {
      store = store.reopen();
      return store;
    },
    end: () => store.close(),
  };
});

const next = (sequence: number) => ({ sequence, changes: [{ type: "channel_index", next: sequence }] }) as const;

describe("faults of the store in memory", () => {
  it("refuses a commit when told to, once", async () => {
    const store = memoryStore();
    store.failNextCommit({ outcome: "refused" });
    await expect(store.commit(next(1))).rejects.toMatchObject({ code: "io", outcome: "refused", retryable: true });
    expect(await store.sequence()).toBe(0);
    await store.commit(next(1));
    expect((await store.load()).nextChannelIndex).toBe(1);
  });

  it.each([true, false])("leaves open whether it committed (written: %s), until asked", async (written) => {
    const store = memoryStore();
    await store.commit(next(1));
    store.failNextCommit({ outcome: "unknown", written });
    await expect(store.commit(next(2))).rejects.toMatchObject({ code: "io", outcome: "unknown" });
    expect(await store.sequence()).toBe(written ? 2 : 1);
    expect((await store.reopen().load()).nextChannelIndex).toBe(written ? 2 : 1);
  });

  it("a crashed store does nothing any more, and its successor forgets the fault that was planned", async () => {
    const store = memoryStore();
    store.failNextCommit({ outcome: "refused" });
    const second = store.reopen();
    await expect(store.commit(next(1))).rejects.toThrow(InvariantBroken);
    expect(() => store.reopen()).toThrow(InvariantBroken);
    await store.close();
    await second.commit(next(1));
    expect(await second.sequence()).toBe(1);
  });
});
