import { expect, it } from "vitest";
import { Events, type NodeEvent } from "./events.ts";

it("goes on without a listener that throws, and tells the others", () => {
  const events = new Events();
  const heard: NodeEvent[] = [];
  let calls = 0;
  events.subscribe(() => {
    calls++;
    throw new TypeError("of its own");
  });
  events.subscribe((event) => heard.push(event));
  events.emit({ type: "block", height: 1 });
  events.emit({ type: "block", height: 2 });
  expect(calls).toBe(1);
  expect(heard).toEqual([
    { type: "trouble", problem: expect.stringContaining("TypeError: of its own") },
    { type: "block", height: 1 },
    { type: "block", height: 2 },
  ]);
});
