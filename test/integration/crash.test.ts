import { describe, expect, it, vi } from "vitest";
import { everyCrash } from "../support/flow-enumeration.ts";
import { FLOWS } from "../support/flows.ts";

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);

describe.each(FLOWS)("$name", (flow) => {
  it.each(["alice", "bob"] as const)(
    "[B2-4] [B2-5] [B2-6] [LW-5] ends alike whichever commit is the last of %s's life, written or not",
    async (name) => {
      for (const written of [true, false]) expect((await everyCrash(flow, name, written)).runs).toBeGreaterThan(2);
    },
  );
});
