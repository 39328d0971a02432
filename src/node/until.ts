import type { Events, NodeEvent } from "./events.ts";
import { NodeHalted } from "./node-halted.ts";

/**
 * Resolves with the first event for which `match` holds, now or later; `check` looks whether it already is so. Rejects with what `refuse`
 * makes of an event before.
 */
export function until<E extends NodeEvent>(
  events: Events,
  match: (event: NodeEvent) => event is E,
  check: () => boolean,
  refuse: (event: NodeEvent) => Error | undefined = () => undefined,
): Promise<void> {
  if (check()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const unsubscribe = events.subscribe((event) => {
      const refused = refuse(event);
      if (refused !== undefined) reject(refused);
      else if (event.type === "halted") reject(new NodeHalted(event.cause));
      else if (event.type === "stopped") reject(new NodeHalted(new Error("the node was stopped")));
      else if (!match(event) || !check()) return;
      else resolve();
      unsubscribe();
    });
  });
}
