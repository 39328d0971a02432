import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { hash160, hash256, hkdfSha256, hmacSha256, ripemd160, sha256 } from "./hashes.ts";

const text = (value: string) => new TextEncoder().encode(value);

describe("hashes", () => {
  it("computes SHA-256 (FIPS 180-2 examples)", () => {
    expect(toHex(sha256(text("abc")))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(toHex(sha256(text("")))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("computes RIPEMD-160 (its authors' examples)", () => {
    expect(toHex(ripemd160(text("abc")))).toBe("8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    expect(toHex(ripemd160(text("")))).toBe("9c1185a5c5e9fc54612808977ee8f548b2258d31");
  });

  it("computes HASH160 of a public key (BIP 173: key and program of its P2WPKH examples)", () => {
    const key = fromHex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798") ?? new Uint8Array(0);
    expect(toHex(hash160(key))).toBe("751e76e8199196d454941c45d1b3a323f1433bd6");
  });

  it("computes double SHA-256", () => {
    expect(toHex(hash256(text("hello")))).toBe("9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
  });

  it("computes HMAC-SHA-256 (RFC 4231, case 2)", () => {
    expect(toHex(hmacSha256(text("Jefe"), text("what do ya want for nothing?")))).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  it("computes HKDF-SHA-256 without info (RFC 5869, case 3)", () => {
    expect(toHex(hkdfSha256(new Uint8Array(0), new Uint8Array(22).fill(0x0b), 42))).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
  });

  it("returns plain arrays of their own and hashes views", () => {
    const large = text("xxabcxx");
    expect(sha256(large.subarray(2, 5))).toEqual(sha256(text("abc")));
    for (const result of [sha256(large), hmacSha256(large, large), hkdfSha256(large, large, 32)]) {
      expect(result.constructor).toBe(Uint8Array);
      expect(result.buffer.byteLength).toBe(32);
    }
  });
});
