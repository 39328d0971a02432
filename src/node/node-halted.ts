/** Why a node ended that nobody stopped. */
export class NodeHalted extends Error {
  constructor(cause: unknown) {
    super(`the node stopped: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "NodeHalted";
  }
}
