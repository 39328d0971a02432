// Nothing is replaced by something simpler in the exploration: pure functions that take long remember their answers, because
// few different ones come up in millions of steps.
import { vi } from "vitest";
import { toHex } from "../../src/core/base/index.ts";
import type { buildCommitment, Commitment, CommitmentParams } from "../../src/core/bitcoin/index.ts";
import { type Signer, secp256k1 } from "../../src/core/crypto/index.ts";

/** A result is computed once per key. For pure functions only. */
export function once<V>(): (key: string, make: () => V) => V {
  const known = new Map<string, V>();
  return (key, make) => {
    let value = known.get(key);
    if (value === undefined) {
      value = make();
      known.set(key, value);
    }
    return value;
  };
}

/** The production signer, whose answers are remembered: the same signatures come up thousands of times. */
export function remembering(signer: Signer): Signer {
  const signatures = once<Uint8Array>();
  const preimages = once<Uint8Array>();
  return {
    ...signer,
    sign: (key, hash) => signatures(`${key.path.join("/")} ${toHex(hash)}`, () => signer.sign(key, hash)),
    revocationPreimage: (channel, index) =>
      preimages(`${channel} ${index}`, () => signer.revocationPreimage(channel, index)),
  };
}

/** Makes core's verification remember its answers. Each is the real one. Undone by `vi.restoreAllMocks`. */
export function rememberVerifications(): void {
  const real = secp256k1.verify;
  const verified = once<boolean>();
  vi.spyOn(secp256k1, "verify").mockImplementation((signature, hash, key) =>
    verified(toHex(signature) + toHex(hash) + toHex(key), () => real(signature, hash, key)),
  );
}

/** The production builder of commitments, whose answers are remembered. For `vi.mock` of commitment-buffer.ts. */
export function rememberingBuilds(build: typeof buildCommitment): typeof buildCommitment {
  const known = new Map<string, Commitment>();
  return (params: CommitmentParams) => {
    const { number, feeRate, ownMsat, othMsat, htlcs, revocationHash, ownFinalKey } = params;
    let key = `${number} ${feeRate} ${ownMsat} ${othMsat}`;
    for (const { direction, id, amountMsat } of htlcs) key += ` ${direction} ${id} ${amountMsat}`;
    key += String.fromCharCode(...revocationHash, ...ownFinalKey);
    const built = known.get(key) ?? build(params);
    known.set(key, built);
    return built;
  };
}
