import { randomFillSync } from "node:crypto";
import type { Random } from "../../ports/random.ts";

/** The operating system's cryptographic generator. */
export function systemRandom(): Random {
  return { bytes: (length) => randomFillSync(new Uint8Array(length)) };
}
