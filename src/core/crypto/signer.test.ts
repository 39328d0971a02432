import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantBroken, toHex } from "../base/index.ts";
import { sha256 } from "./hashes.ts";
import { type KeyReference, keyPaths } from "./key-paths.ts";
import { FIRST_REVOCATION_INDEX, revocationPreimage } from "./revocation-chain.ts";
import { secp256k1 } from "./secp256k1.ts";
import { seedFromPhrase } from "./seed-phrase.ts";
import { seedSigner } from "./signer.ts";

const HARDENED = 0x80000000;
const main = keyPaths(0);
const test = keyPaths(1);
const seed = new Uint8Array(64).fill(5);
const hash = sha256(new Uint8Array([1]));

function bip39(phrase: string): Uint8Array {
  const result = seedFromPhrase(phrase);
  if (!result.ok) throw new Error("bad phrase in a test");
  return result.value;
}

describe("keyPaths", () => {
  it("lays the keys out as its docstrings say", () => {
    expect(main.walletKey(1, 7).path).toEqual([84 + HARDENED, HARDENED, HARDENED, 1, 7]);
    expect(test.walletKey(0, 0).path).toEqual([84 + HARDENED, 1 + HARDENED, HARDENED, 0, 0]);
    expect(main.nodeKey().path).toEqual([1017 + HARDENED, HARDENED, HARDENED]);
    expect(main.commitKey(3).path).toEqual([1017 + HARDENED, HARDENED, 1 + HARDENED, 3 + HARDENED]);
    expect(test.finalKey(3).path).toEqual([1017 + HARDENED, 1 + HARDENED, 2 + HARDENED, 3 + HARDENED]);
  });

  it("throws for an index that BIP 32 has no number for", () => {
    for (const index of [-1, 0.5, HARDENED, Number.NaN]) {
      expect(() => main.commitKey(index)).toThrow(InvariantBroken);
      expect(() => main.walletKey(0, index)).toThrow(InvariantBroken);
    }
  });
});

describe("seedSigner", () => {
  it("derives the wallet keys of BIP 84's test vectors", () => {
    const signer = seedSigner(
      bip39("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"),
    );
    const keys = [main.walletKey(0, 0), main.walletKey(0, 1), main.walletKey(1, 0)].map((key) => signer.publicKey(key));
    expect(keys.map(toHex)).toEqual([
      "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c",
      "03e775fd51f0dfb8cd865d9ff1cca2a158cf651fe997fdc9fee9c1d3b5e995ea77",
      "03025324888e429ab8e3dbaf1f7802648b9cd01e9b418485c5fa4c1b9b5700e1a6",
    ]);
  });

  it("gives every purpose, channel and block chain its own key", () => {
    const signer = seedSigner(seed);
    const keys = [main, test].flatMap((paths) => [
      paths.nodeKey(),
      ...[0, 1, 2].flatMap((n) => [
        paths.commitKey(n),
        paths.finalKey(n),
        paths.walletKey(0, n),
        paths.walletKey(1, n),
      ]),
    ]);
    expect(new Set(keys.map((key) => toHex(signer.publicKey(key)))).size).toBe(keys.length);
  });

  it("signs with the key that it shows", () => {
    const signer = seedSigner(seed);
    for (const key of [main.nodeKey(), main.commitKey(0), main.finalKey(0), main.walletKey(0, 4)]) {
      expect(secp256k1.verify(signer.sign(key, hash), hash, signer.publicKey(key))).toBe(true);
    }
  });

  it("adds a tweak to the key", () => {
    const signer = seedSigner(seed);
    const tweak = new Uint8Array(32).fill(9);
    const plain = main.finalKey(1);
    const tweaked: KeyReference = { ...plain, tweak };
    expect(signer.publicKey(tweaked)).toEqual(secp256k1.tweakPublic(signer.publicKey(plain), tweak));
    expect(secp256k1.verify(signer.sign(tweaked, hash), hash, signer.publicKey(tweaked))).toBe(true);
    expect(() => signer.sign({ ...plain, tweak: new Uint8Array(32).fill(0xff) }, hash)).toThrow(InvariantBroken);
  });

  it("shares secrets as BOLT 8 does, and with nothing that isn't a key", () => {
    const [alice, bob] = [seedSigner(seed), seedSigner(new Uint8Array(64).fill(6))];
    const shared = alice.ecdh(main.nodeKey(), bob.publicKey(main.nodeKey()));
    expect(shared).toHaveLength(32);
    expect(bob.ecdh(main.nodeKey(), alice.publicKey(main.nodeKey()))).toEqual(shared);
    expect(alice.ecdh(main.nodeKey(), new Uint8Array(33))).toBeUndefined();
  });

  it("gives the same whatever was asked before, also when its memory is full", () => {
    const used = seedSigner(seed);
    for (let channel = 0; channel < 1100; channel++) used.revocationPreimage(channel, 1n);
    fc.assert(
      fc.property(fc.nat(1200), fc.bigInt({ min: 1n, max: FIRST_REVOCATION_INDEX }), (channel, index) => {
        expect(used.revocationPreimage(channel, index)).toEqual(seedSigner(seed).revocationPreimage(channel, index));
      }),
      { numRuns: 10 },
    );
  });

  it("is not spoilt by a caller that changes what it got", () => {
    const signer = seedSigner(seed);
    const before = toHex(signer.publicKey(main.nodeKey()));
    signer.publicKey(main.nodeKey()).fill(0);
    expect(toHex(signer.publicKey(main.nodeKey()))).toBe(before);
  });

  it("[B2-35] has a revocation chain of its own for each seed, block chain and channel", () => {
    const first = [
      seedSigner(seed).revocationPreimage(0, FIRST_REVOCATION_INDEX),
      seedSigner(seed).revocationPreimage(1, FIRST_REVOCATION_INDEX),
      seedSigner(seed, 1).revocationPreimage(0, FIRST_REVOCATION_INDEX),
      seedSigner(new Uint8Array(64)).revocationPreimage(0, FIRST_REVOCATION_INDEX),
    ];
    expect(new Set(first.map(toHex)).size).toBe(4);
  });

  it("[B2-34] [B2-35] chains the preimages of a channel from one seed", () => {
    const signer = seedSigner(seed);
    // The node at 2^63 stands for all indexes above it: it is the chain's own, not the seed.
    const top = signer.revocationPreimage(4, 2n ** 63n);
    const derived = signer.revocationPreimage(4, 2n ** 63n + 5n);
    expect(revocationPreimage(top, 5n)).toEqual(derived);
  });

  it("[B2-35] offers no way to a secret", () => {
    const signer = seedSigner(seed);
    expect(Object.keys(signer).sort()).toEqual(["ecdh", "publicKey", "revocationPreimage", "sign"]);
    expect(Object.values(signer).every((value) => typeof value === "function")).toBe(true);
    expect(() => seedSigner(seed.subarray(1))).toThrow(InvariantBroken);
    expect(() => signer.publicKey({ path: [] })).toThrow(InvariantBroken);
    expect(() => signer.revocationPreimage(0, 0n)).toThrow(InvariantBroken);
    expect(() => signer.revocationPreimage(-1, 1n)).toThrow(InvariantBroken);
  });
});
