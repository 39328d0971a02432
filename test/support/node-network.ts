import { type Taps, World } from "../../src/testing/index.ts";

export { type Taps, WorldNode as TestNode } from "../../src/testing/index.ts";

/** A world as most tests want it: without faults that come by themselves, and with commits that take no time. */
export class NodeNetwork extends World {
  constructor(nodes: readonly string[], taps: Taps = {}, blocks = 150) {
    super({ nodes, taps, blocks });
  }
}
