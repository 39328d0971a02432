/** Where all randomness comes from: the operating system in production, a seed in the simulator. */
export interface Random {
  /** `length` unguessable bytes. */
  bytes(length: number): Uint8Array;
}
