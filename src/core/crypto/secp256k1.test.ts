import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, InvariantBroken, toHex } from "../base/index.ts";
import { sha256 } from "./hashes.ts";
import { backends, secp256k1 } from "./secp256k1.ts";

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("bad figure in a test");
  return bytes;
}
const text = (value: string) => new TextEncoder().encode(value);
const scalar = (value: bigint) => hex(value.toString(16).padStart(64, "0"));
const flipped = (bytes: Uint8Array, bit: number) =>
  bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const ZERO = scalar(0n);
const ONE = scalar(1n);
const G = hex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
const MINUS_G = hex("0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");

const secretKeys = fc.bigInt({ min: 1n, max: N - 1n }).map(scalar);
const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Widely used vectors for RFC 6979 over secp256k1, low-S (Trezor, CoreBitcoin, bitcoinjs): key, message, r and s. */
const RFC6979: readonly (readonly [bigint, string, string])[] = [
  [
    1n,
    "Satoshi Nakamoto",
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
  ],
  [
    1n,
    "All those moments will be lost in time, like tears in rain. Time to die...",
    "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
  ],
  [
    N - 1n,
    "Satoshi Nakamoto",
    "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d06b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
  ],
];

/** BIP 340 test-vectors.csv, indexes 0 to 3: secret key, x-only key, auxiliary data, message, signature. */
const BIP340_SIGN = [
  [
    "0000000000000000000000000000000000000000000000000000000000000003",
    "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
  ],
  [
    "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef",
    "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
    "0000000000000000000000000000000000000000000000000000000000000001",
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
    "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
  ],
  [
    "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9",
    "dd308afec5777e13121fa72b9cc1b7cc0139715309b086c960e18fd969774eb8",
    "c87aa53824b4d7ae2eb035a2b5bbbccc080e76cdc6d1692c4b0b62d798e6d906",
    "7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c",
    "5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1bab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7",
  ],
  [
    "0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710",
    "25d1dff95105f5253c4022f628a996ad3a0d95fbf21d468a1b33f8c160d8f517",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3",
  ],
].map((row) => row.map(hex)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array][];

describe("secp256k1 backends", () => {
  it("prefers the native one", () => {
    expect(backends()[0]).toBe(secp256k1);
    expect(backends().map(({ name }) => name)).toContain("wasm");
  });

  it("give equal results for everything", () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, hashes, (secret, other, hash) => {
        const [first, ...rest] = backends().map((backend) => {
          const key = backend.publicKey(secret);
          return {
            key,
            signature: backend.sign(hash, secret),
            ecdh: backend.ecdh(backend.publicKey(other), secret),
            tweakPublic: backend.tweakPublic(key, hash),
            multiplyPublic: backend.multiplyPublic(key, other),
            addSecret: backend.addSecret(secret, hash),
            multiplySecret: backend.multiplySecret(secret, other),
          };
        });
        for (const results of rest) expect(results).toEqual(first);
      }),
      { numRuns: 50 },
    );
  });

  it("agree on whether any bytes are a key", () => {
    const prefixed = fc
      .tuple(fc.constantFrom(0, 2, 3, 4, 5, 6, 7), hashes)
      .map(([first, x]) => Uint8Array.of(first, ...x));
    fc.assert(
      fc.property(fc.oneof(prefixed, fc.uint8Array({ maxLength: 70 })), (bytes) => {
        expect(new Set(backends().map((backend) => backend.isPublicKey(bytes))).size).toBe(1);
        expect(new Set(backends().map((backend) => backend.isSecretKey(bytes))).size).toBe(1);
      }),
    );
  });
});

describe.each(backends())("secp256k1 ($name)", (curve) => {
  it.each(RFC6979)("signs as RFC 6979 says: key %s, %s", (secret, message, expected) => {
    const hash = sha256(text(message));
    const signature = curve.sign(hash, scalar(secret));
    expect(toHex(signature)).toBe(expected);
    expect(curve.verify(signature, hash, curve.publicKey(scalar(secret)))).toBe(true);
  });

  it("refuses the high-S twin of a valid signature", () => {
    const signature = curve.sign(sha256(text("x")), ONE);
    const s = BigInt(`0x${toHex(signature.subarray(32))}`);
    const twin = Uint8Array.of(...signature.subarray(0, 32), ...scalar(N - s));
    expect(curve.verify(signature, sha256(text("x")), G)).toBe(true);
    expect(curve.verify(twin, sha256(text("x")), G)).toBe(false);
  });

  it("verifies nothing but what was signed", () => {
    fc.assert(
      fc.property(secretKeys, hashes, fc.nat(511), fc.nat(255), (secret, hash, inSignature, inHash) => {
        const key = curve.publicKey(secret);
        const signature = curve.sign(hash, secret);
        expect(curve.verify(signature, hash, key)).toBe(true);
        expect(curve.verify(flipped(signature, inSignature), hash, key)).toBe(false);
        expect(curve.verify(signature, flipped(hash, inHash), key)).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it("returns false, never throws, for malformed signatures and keys", () => {
    const hash = sha256(text("x"));
    const signature = curve.sign(hash, ONE);
    const r = signature.subarray(0, 32);
    const s = signature.subarray(32);
    const joined = (a: Uint8Array, b: Uint8Array) => Uint8Array.of(...a, ...b);
    const bad = [joined(ZERO, s), joined(r, ZERO), joined(scalar(N), s), joined(r, scalar(N)), joined(ZERO, ZERO)];
    for (const wrong of [...bad, signature.subarray(1), new Uint8Array(0), joined(signature, ZERO)]) {
      expect(curve.verify(wrong, hash, G)).toBe(false);
    }
    const uncompressed = hex(
      "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    );
    for (const key of [new Uint8Array(33), G.subarray(1), uncompressed])
      expect(curve.verify(signature, hash, key)).toBe(false);
  });

  it("[B2-10] takes only 33-byte compressed points", () => {
    const x = G.subarray(1);
    expect(curve.isPublicKey(G)).toBe(true);
    expect(curve.isPublicKey(MINUS_G)).toBe(true);
    for (const prefix of [0, 1, 4, 5, 6, 7]) expect(curve.isPublicKey(Uint8Array.of(prefix, ...x))).toBe(false);
    // x = 5 lies on no point of the curve, and x = p is out of range.
    expect(curve.isPublicKey(Uint8Array.of(2, ...scalar(5n)))).toBe(false);
    const p = 2n ** 256n - 2n ** 32n - 977n;
    expect(curve.isPublicKey(Uint8Array.of(2, ...scalar(p)))).toBe(false);
    // p + 1 would be x = 1, which is a point, were it reduced.
    expect(curve.isPublicKey(Uint8Array.of(2, ...ONE))).toBe(true);
    expect(curve.isPublicKey(Uint8Array.of(2, ...scalar(p + 1n)))).toBe(false);
    for (const length of [0, 1, 32, 34, 65]) expect(curve.isPublicKey(new Uint8Array(length).fill(2))).toBe(false);
  });

  it("takes scalars from 1 to n - 1 as secret keys", () => {
    expect(curve.isSecretKey(ONE)).toBe(true);
    expect(curve.isSecretKey(scalar(N - 1n))).toBe(true);
    for (const bad of [ZERO, scalar(N), scalar(2n ** 256n - 1n), ONE.subarray(1), new Uint8Array(33).fill(1)]) {
      expect(curve.isSecretKey(bad)).toBe(false);
      expect(() => curve.sign(ONE, bad)).toThrow(InvariantBroken);
      expect(() => curve.publicKey(bad)).toThrow(InvariantBroken);
      expect(() => curve.ecdh(G, bad)).toThrow(InvariantBroken);
    }
    expect(() => curve.sign(new Uint8Array(31), ONE)).toThrow(InvariantBroken);
  });

  it("derives public keys: 1 is G, n - 1 is -G", () => {
    expect(curve.publicKey(ONE)).toEqual(G);
    expect(curve.publicKey(scalar(N - 1n))).toEqual(MINUS_G);
  });

  it("[B2-10] gives undefined for an invalid peer key", () => {
    for (const bad of [Uint8Array.of(4, ...G.subarray(1)), G.subarray(1), new Uint8Array(0), new Uint8Array(33)]) {
      expect(curve.ecdh(bad, ONE)).toBeUndefined();
      expect(curve.tweakPublic(bad, ONE)).toBeUndefined();
      expect(curve.multiplyPublic(bad, ONE)).toBeUndefined();
    }
  });

  it("agrees on a shared secret, which is SHA-256 of the compressed point", () => {
    const two = scalar(2n);
    expect(curve.ecdh(G, two)).toEqual(sha256(curve.publicKey(two)));
    fc.assert(
      fc.property(secretKeys, secretKeys, (a, b) => {
        expect(curve.ecdh(curve.publicKey(a), b)).toEqual(curve.ecdh(curve.publicKey(b), a));
      }),
      { numRuns: 20 },
    );
  });

  it("adds and multiplies secrets as it does public keys", () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, (secret, other) => {
        const before = secret.slice();
        const key = curve.publicKey(secret);
        const sum = curve.addSecret(secret, other);
        const product = curve.multiplySecret(secret, other);
        expect(sum && curve.publicKey(sum)).toEqual(curve.tweakPublic(key, other));
        expect(product && curve.publicKey(product)).toEqual(curve.multiplyPublic(key, other));
        expect(secret).toEqual(before);
      }),
      { numRuns: 20 },
    );
  });

  it("gives undefined for scalars out of range and for sums of nothing", () => {
    expect(curve.addSecret(ONE, scalar(N - 1n))).toBeUndefined();
    expect(curve.tweakPublic(G, scalar(N - 1n))).toBeUndefined();
    for (const bad of [scalar(N), scalar(2n ** 256n - 1n), new Uint8Array(31), new Uint8Array(0)]) {
      expect(curve.addSecret(ONE, bad)).toBeUndefined();
      expect(curve.multiplySecret(ONE, bad)).toBeUndefined();
      expect(curve.tweakPublic(G, bad)).toBeUndefined();
      expect(curve.multiplyPublic(G, bad)).toBeUndefined();
    }
    expect(curve.multiplySecret(ONE, ZERO)).toBeUndefined();
    expect(curve.multiplyPublic(G, ZERO)).toBeUndefined();
    expect(curve.addSecret(ONE, ZERO)).toEqual(ONE);
    expect(curve.tweakPublic(G, ZERO)).toEqual(G);
  });

  it("reads views into larger buffers and returns plain arrays of their own", () => {
    const large = new Uint8Array(100);
    large.set(scalar(7n), 11);
    const view = large.subarray(11, 43);
    expect(curve.publicKey(view)).toEqual(curve.publicKey(scalar(7n)));
    expect(curve.sign(view, view)).toEqual(curve.sign(scalar(7n), scalar(7n)));
    expect(curve.sign(view, view).constructor).toBe(Uint8Array);
    expect(curve.publicKey(view).buffer.byteLength).toBe(33);
  });

  it.each(BIP340_SIGN)("signs and verifies as BIP 340 says (%#)", (secret, key, auxiliary, message, signature) => {
    expect(toHex(curve.schnorrSign(message, secret, auxiliary))).toBe(toHex(signature));
    expect(curve.schnorrVerify(signature, message, key)).toBe(true);
    expect(curve.schnorrVerify(flipped(signature, 300), message, key)).toBe(false);
    expect(curve.schnorrVerify(signature, flipped(message, 0), key)).toBe(false);
  });

  it("returns false for malformed BIP 340 signatures and keys", () => {
    const [, key, , message, signature] = BIP340_SIGN[1] ?? [];
    if (!key || !message || !signature) throw new Error("no vector");
    // BIP 340 vector 5: a public key not on the curve.
    const offCurve = hex("eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34");
    expect(curve.schnorrVerify(signature, message, offCurve)).toBe(false);
    expect(curve.schnorrVerify(signature, message, G)).toBe(false);
    expect(curve.schnorrVerify(signature.subarray(1), message, key)).toBe(false);
    // BIP 340 vectors 12 and 13: r is the field's size, s is the order.
    const p = scalar(2n ** 256n - 2n ** 32n - 977n);
    expect(curve.schnorrVerify(Uint8Array.of(...p, ...signature.subarray(32)), message, key)).toBe(false);
    expect(curve.schnorrVerify(Uint8Array.of(...signature.subarray(0, 32), ...scalar(N)), message, key)).toBe(false);
  });
});
