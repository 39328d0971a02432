import { describe, expect, it } from "vitest";
import { FakeConnection } from "../../test/support/fake-connection.ts";
import { asNodeId } from "../core/base/index.ts";
import { packetFamily } from "../core/wire/index.ts";
import { virtualClock } from "../testing/index.ts";
import { KeepAlive } from "./keep-alive.ts";

function setUp() {
  const clock = virtualClock();
  const connection = new FakeConnection(asNodeId(new Uint8Array(33).fill(2)));
  let deaths = 0;
  const keepAlive = new KeepAlive({ clock, connection, onDead: () => deaths++ });
  const families = () =>
    connection.taken().flatMap(({ packets }) =>
      packets.map((packet) => {
        const family = packetFamily(packet);
        return family.ok ? family.value : family.error.type;
      }),
    );
  return { clock, keepAlive, families, deaths: () => deaths };
}

describe("[B2-41] a connection on which nothing is heard", () => {
  it("is asked after 30 seconds, and dead 30 seconds later", async () => {
    const { clock, families, deaths } = setUp();
    await clock.advance(29_999);
    expect(families()).toEqual([]);
    await clock.advance(1);
    expect(families()).toEqual(["ping"]);
    await clock.advance(29_999);
    expect(deaths()).toBe(0);
    await clock.advance(1);
    expect(deaths()).toBe(1);
    await clock.advance(600_000);
    expect(families()).toEqual([]);
    expect(deaths()).toBe(1);
  });

  it("lives on with whatever is heard, and is asked again 30 seconds after that", async () => {
    const { clock, keepAlive, families, deaths } = setUp();
    await clock.advance(59_999);
    keepAlive.heard();
    expect(families()).toEqual(["ping"]);
    await clock.advance(29_999);
    expect(families()).toEqual([]);
    await clock.advance(1);
    expect(families()).toEqual(["ping"]);
    for (let n = 0; n < 10; n++) {
      keepAlive.heard();
      await clock.advance(29_999);
    }
    expect(families()).toEqual([]);
    expect(deaths()).toBe(0);
  });

  it("is left alone once it has ended", async () => {
    const { clock, keepAlive, families, deaths } = setUp();
    keepAlive.stop();
    await clock.advance(600_000);
    expect(families()).toEqual([]);
    expect(deaths()).toBe(0);
  });
});
