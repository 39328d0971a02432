import { describe, expect, it } from "vitest";
import { describeError, reactionTo } from "./errors.ts";

describe("an error", () => {
  it("says what, which rule, where and the numbers, in one line", () => {
    const error = { type: "remote_too_many_htlcs", rule: "B2-19", limit: 1500, actual: 1501n, detail: "dust" } as const;
    expect(describeError(error)).toBe("remote too many htlcs [B2-19], dust, limit 1500, actual 1501");
    expect(describeError({ type: "not_open", rule: "B2-13" })).toBe("not open [B2-13]");
  });

  it("of ours is refused, of the peer's fails the channel", () => {
    expect(reactionTo({ type: "insufficient_balance", rule: "B2-18" })).toBe("refuse");
    expect(reactionTo({ type: "remote_insufficient_balance", rule: "B2-18" })).toBe("fail_channel");
  });
});
