import { invariant } from "../base/index.ts";
import { childKey, type DerivedKey, masterKey } from "./derived-key.ts";
import { hkdfSha256, hmacSha256 } from "./hashes.ts";
import type { CoinType, KeyReference } from "./key-paths.ts";
import { type RevocationPath, revocationPath } from "./revocation-chain.ts";
import { secp256k1 } from "./secp256k1.ts";

/**
 * Uses the keys under a seed and never gives out a secret. Synchronous, because steps of a channel are. An impossible key
 * reference throws InvariantBroken: references are always our own.
 */
export interface Signer {
  /** The compressed public key. 33 bytes. */
  publicKey(key: KeyReference): Uint8Array;
  /** ECDSA over a 32-byte hash: 64 bytes, r then s, low-S. The same input gives the same signature. */
  sign(key: KeyReference, hash32: Uint8Array): Uint8Array;
  /** SHA-256 of the compressed shared point, 32 bytes, as BOLT 8; undefined for an invalid public key. */
  ecdh(key: KeyReference, publicKey: Uint8Array): Uint8Array | undefined;
  /**
   * The preimage for `index` (1 to 2^64 - 1) of a channel's revocation chain, 32 bytes. The chain's seed is derived from
   * the wallet's seed and the channel's number, and never leaves. Spec: B2-34, B2-35.
   */
  revocationPreimage(channelIndex: number, index: bigint): Uint8Array;
}

const PARENTS_HELD = 64;
const KEYS_HELD = 4096;
/** About 2 KiB each. A path that was dropped costs 64 hashes to build again. */
const PATHS_HELD = 1024;
const REVOCATION_LABEL = new TextEncoder().encode("sluice revocation chain");

/** A map of at most `capacity` entries that makes what it lacks; the entry made first goes first. */
function remember<V>(capacity: number): (key: string | number, make: () => V) => V {
  const held = new Map<string | number, V>();
  return (key, make) => {
    const known = held.get(key);
    if (known !== undefined) return known;
    const made = make();
    const first = held.size >= capacity ? held.keys().next() : undefined;
    if (first?.done === false) held.delete(first.value);
    held.set(key, made);
    return made;
  };
}

function tweaked(secretKey: Uint8Array, tweak: Uint8Array): Uint8Array {
  const sum = secp256k1.addSecret(secretKey, tweak);
  invariant(sum !== undefined, "a key's tweak is a scalar whose sum with the key is a key");
  return sum;
}

/**
 * A signer over the 64 bytes that a seed phrase yields. Keys are derived by BIP 32. `coin` keeps the revocation chains of
 * different block chains apart as `keyPaths` does the keys: one phrase used on two of them would otherwise reveal on one
 * what revokes on the other.
 */
export function seedSigner(seed64: Uint8Array, coin: CoinType = 0): Signer {
  invariant(seed64.length === 64, `a wallet's seed has 64 bytes, got ${seed64.length}`);
  const master = masterKey(seed64);
  const revocationRoot = hkdfSha256(REVOCATION_LABEL, seed64, 32);

  const parents = remember<DerivedKey>(PARENTS_HELD);
  const secrets = remember<Uint8Array>(KEYS_HELD);
  const publicKeys = remember<Uint8Array>(KEYS_HELD);
  const revocationPaths = remember<RevocationPath>(PATHS_HELD);

  function parent(path: readonly number[]): DerivedKey {
    const last = path.at(-1);
    if (last === undefined) return master;
    return parents(path.join("/"), () => childKey(parent(path.slice(0, -1)), last));
  }

  function secretKey({ path, tweak }: KeyReference): Uint8Array {
    const secret = secrets(path.join("/"), () => {
      const last = path.at(-1);
      invariant(last !== undefined, "a key's path isn't empty");
      return childKey(parent(path.slice(0, -1)), last).secret;
    });
    return tweak === undefined ? secret : tweaked(secret, tweak);
  }

  return {
    publicKey(key) {
      const known = publicKeys(key.path.join("/"), () => secp256k1.publicKey(secretKey({ path: key.path })));
      return key.tweak === undefined ? known.slice() : secp256k1.publicKey(secretKey(key));
    },
    sign: (key, hash32) => secp256k1.sign(hash32, secretKey(key)),
    ecdh: (key, publicKey) => secp256k1.ecdh(publicKey, secretKey(key)),
    revocationPreimage(channelIndex, index) {
      invariant(index > 0n, "index 0 of a revocation chain is its seed");
      const path = revocationPaths(channelIndex, () => {
        invariant(Number.isSafeInteger(channelIndex) && channelIndex >= 0, `not a channel index: ${channelIndex}`);
        const name = new Uint8Array(9);
        name[0] = coin;
        new DataView(name.buffer).setBigUint64(1, BigInt(channelIndex));
        return revocationPath(hmacSha256(revocationRoot, name));
      });
      return path.preimage(index);
    },
  };
}
