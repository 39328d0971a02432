import { describe, expect, it } from "vitest";
import { virtualClock } from "../../test/support/virtual-clock.ts";
import { Events } from "./events.ts";
import { Payments } from "./payments.ts";

describe("who waits for a payment", () => {
  it("is told when the node ends before the payment does", async () => {
    const payments = new Payments({
      openInvoices: [],
      pendingPayments: [],
      clock: virtualClock(),
      events: new Events(),
    });
    const waiting = Promise.allSettled([payments.ended("a"), payments.ended("a"), payments.ended("b")]);
    payments.abandonWaiting(new Error("the node ended"));
    for (const result of await waiting) {
      expect(result).toMatchObject({ status: "rejected", reason: { message: "the node ended" } });
    }
  });
});
