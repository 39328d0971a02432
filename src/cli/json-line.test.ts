import { expect, it } from "vitest";
import { jsonLine } from "./json-line.ts";

it("writes one line with names in snake_case, bytes as hexadecimal and amounts as decimal strings", () => {
  const value = {
    channelId: Uint8Array.of(0, 255),
    amountMsat: 2n ** 63n,
    inner: [{ nodeId: "x", anchorFeeSat: 0n }],
    cause: new Error("full"),
    none: undefined,
    nothing: null,
    text: "a\nb",
    done: true,
    count: 3,
  };
  expect(jsonLine(value)).toBe(
    '{"channel_id":"00ff","amount_msat":"9223372036854775808","inner":[{"node_id":"x","anchor_fee_sat":"0"}],' +
      '"cause":"full","nothing":null,"text":"a\\nb","done":true,"count":3}',
  );
});
