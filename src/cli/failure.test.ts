import { describe, expect, it } from "vitest";
import { ChainError, NodeHalted, StoreError, TransportError } from "../node/index.ts";
import { asFailure, environmentFailure } from "./failure.ts";

function coded(code: string): Error {
  return Object.assign(new Error(`${code}: something, mkdir '/x'`), { code });
}

describe("asFailure", () => {
  it.each([
    [new StoreError("locked", "in use by process 7", "refused"), "store_locked"],
    [new ChainError("unauthorized", "http://x does not accept the credentials"), "chain_unauthorized"],
    [new ChainError("wrong_network", "the node is on main, we are on regtest"), "chain_wrong_network"],
    [new TransportError("address_in_use", "127.0.0.1:1 is in use"), "network_address_in_use"],
    [coded("ENOSPC"), "enospc"],
    [coded("EROFS"), "erofs"],
  ])("takes %s for a failure of the surroundings, and keeps its words", (cause, code) => {
    const failure = asFailure(cause);
    expect(failure).toMatchObject({ exitCode: 3, code });
    expect(failure.message).toContain(cause.message);
  });

  it("looks for the reason of a halted node in its cause", () => {
    const halted = new NodeHalted(new StoreError("full", "No space is left", "refused"));
    expect(asFailure(halted)).toMatchObject({ exitCode: 3, code: "store_full" });
    expect(asFailure(halted).message).toBe("The node stopped by itself: No space is left");
  });

  it("says of everything else that it should not happen, with the place it comes from", () => {
    const failure = asFailure(new Error("odd"));
    expect(failure).toMatchObject({ exitCode: 1, code: "unexpected" });
    expect(failure.message).toContain("failure.test.ts");
    expect(asFailure("odd")).toMatchObject({ exitCode: 1 });
  });

  it("leaves a failure as it is", () => {
    const failure = environmentFailure("no_bitcoind", "none");
    expect(asFailure(failure)).toBe(failure);
  });
});
