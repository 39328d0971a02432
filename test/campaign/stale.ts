import { memoryStore } from "../../src/adapters/store-memory/index.ts";
import { openBackup } from "../../src/node/backup.ts";
import { restoreInto } from "../../src/node/restore.ts";
import { Broken, type RandomNumbers, type WorldNode } from "../../src/testing/index.ts";
import type { Market } from "./market.ts";

/** All others are there and can be reached: a node on old data that nobody can warn is beyond help. */
async function gather(market: Market): Promise<void> {
  const { world } = market;
  await market.revive();
  for (const a of world.nodes) {
    for (const b of world.nodes) {
      world.mend(a, b);
      world.delay(a, b, 0);
    }
  }
  await world.advance(10_000);
  await market.revive();
}

/** `store` is asked for when everybody is there, and time has passed for backups. */
async function comeBack(
  market: Market,
  node: WorldNode,
  store: () => WorldNode["store"] | Promise<WorldNode["store"]>,
  started?: () => void,
): Promise<void> {
  const { world } = market;
  const { faults } = world;
  world.faults = {};
  await gather(market);
  const old = await store();
  market.stale.add(node);
  for (const other of world.nodes) other.unplan();
  node.crash();
  node.store = old;
  // Its own life is not what the others remember: those reconnect, and say so.
  await node.start();
  started?.();
  await world.advance(90_000);
  world.faults = faults;
}

/** A node comes back with a copy of its data that is older than its channels, once. */
export async function restoreCopy(market: Market): Promise<void> {
  const found = [...market.old][0];
  if (found === undefined || market.stale.size > 0) return;
  const [node, store] = found;
  await comeBack(market, node, () => store);
}

/** Whatever the peers say later: nobody knows what came after a backup. */
function checkRestored(node: WorldNode): void {
  for (const { channel, stage, stale } of node.node.channels()) {
    if (stale || stage === "close_agreed" || stage === "closed" || stage === "buried" || stage === "abandoned")
      continue;
    throw new Broken("nothing goes on from a backup", `${node.name}'s channel ${channel} is ${stage}`);
  }
}

/** A node comes back from its newest backup, once. */
export async function restoreBackup(market: Market, random: RandomNumbers): Promise<void> {
  if (market.stale.size > 0) return;
  const { nodes } = market.world;
  const node = nodes[random(nodes.length)];
  if (node?.backup === undefined) return;
  const store = async () => {
    if (node.backup === undefined) throw new Error("a backup does not go away");
    const opened = openBackup(node.backup, node.seed);
    if (!opened.ok) throw new Error(`a backup can't be opened: ${opened.error.type}`);
    const restored = memoryStore();
    await restoreInto(restored, opened.value);
    return restored;
  };
  await comeBack(market, node, store, () => checkRestored(node));
}
