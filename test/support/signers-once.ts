import type { CoinType, Signer } from "../../src/core/crypto/index.ts";

type SignerFile = typeof import("../../src/core/crypto/signer.ts");

/**
 * Deriving a wallet's keys from a seed is most of what starting a node costs, and a signer holds nothing but what it derived:
 * with this in the place of its file, the signer of a seed is made once. For tests that start nodes hundreds of times.
 */
export async function signersOnce(original: () => Promise<unknown>): Promise<SignerFile> {
  const real = (await original()) as SignerFile;
  const made = new Map<string, Signer>();
  const seedSigner = (seed: Uint8Array, coin?: CoinType) => {
    const key = `${seed}/${coin}`;
    const signer = made.get(key) ?? real.seedSigner(seed, coin);
    made.set(key, signer);
    return signer;
  };
  return { ...real, seedSigner };
}
