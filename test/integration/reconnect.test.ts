import { describe, expect, it, vi } from "vitest";
import { everyCut } from "../support/flow-enumeration.ts";
import { FLOWS } from "../support/flows.ts";

vi.mock("../../src/core/crypto/signer.ts", async (original) =>
  (await import("../support/signers-once.ts")).signersOnce(original),
);

const LOST = { nothing: "all under way", of_alice: "what Bob said", of_bob: "what Alice said" } as const;

describe.each(FLOWS)("$name", (flow) => {
  it.each(["nothing", "of_alice", "of_bob"] as const)(
    "[B2-4] [B2-5] [B2-6] [B2-41] ends alike wherever the connection is cut (%s of what is under way arrives)",
    async (arrives) => {
      const { runs, packets, transmissions } = await everyCut(flow, arrives);
      expect(runs).toBeGreaterThan(5);
      // Some of it was lost, and was sent again: the tap saw that it was the same.
      expect(transmissions, LOST[arrives]).toBeGreaterThan(packets);
    },
  );
});
