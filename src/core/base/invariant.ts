/**
 * Thrown when a property that our own code guarantees does not hold. It freezes the updates of the channel in which it
 * was noticed; watching, punishing and deadlines go on. Never used for what a peer, a user, a file or the chain did.
 */
export class InvariantBroken extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvariantBroken";
  }
}

/** Throws InvariantBroken unless `condition` holds. The message never carries a secret. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantBroken(message);
}

/** Ends every switch over a tagged union: the compiler proves it unreachable. */
export function assertNever(value: never): never {
  throw new InvariantBroken(`unhandled variant: ${typeof value === "object" ? "object" : String(value)}`);
}
