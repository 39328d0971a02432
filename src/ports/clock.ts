/** Time as the node sees it: real in production, virtual in the simulator. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `action` once, `ms` milliseconds from now, unless the returned function is called before. */
  after(ms: number, action: () => void): () => void;
  /** Calls `action` once, in a later turn, after what already waits for this one (I/O included) has been delivered. */
  soon(action: () => void): void;
}
