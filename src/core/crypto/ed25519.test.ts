import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { ed25519PublicKey, ed25519Sign, ed25519Verify } from "./ed25519.ts";

function hex(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0);
}

// RFC 8032, 7.1.
const VECTORS = [
  {
    key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
];

/** The group's order, little-endian, added to S: what a lenient check takes for the same signature. */
function withOrderAdded(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = signature.subarray(32).reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n) + order;
  const digits = Array.from({ length: 32 }, (_, i) => Number((s >> BigInt(8 * i)) & 0xffn));
  return Uint8Array.from([...signature.subarray(0, 32), ...digits]);
}

describe("ed25519Verify", () => {
  it.each(VECTORS)("takes the signature of RFC 8032 over $message, and none other", ({ key, message, signature }) => {
    const [k, m, s] = [hex(key), hex(message), hex(signature)];
    expect(ed25519Verify(s, m, k)).toBe(true);
    expect(ed25519Verify(withOrderAdded(s), m, k)).toBe(false);
    expect(ed25519Verify(s, Uint8Array.of(...m, 0), k)).toBe(false);
    for (const at of [0, 31, 32, 63]) {
      const changed = s.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(ed25519Verify(changed, m, k)).toBe(false);
    }
    expect(ed25519Verify(s.subarray(1), m, k)).toBe(false);
    expect(ed25519Verify(s, m, k.subarray(1))).toBe(false);
  });

  it("takes what node signs", () => {
    const secret = createPrivateKey({
      key: Buffer.concat([hex("302e020100300506032b657004220420"), Buffer.alloc(32, 7)]),
      format: "der",
      type: "pkcs8",
    });
    const info = createPublicKey(secret).export({ format: "der", type: "spki" });
    const message = Uint8Array.of(1, 2, 3);
    expect(ed25519Verify(sign(null, message, secret), message, info.subarray(-32))).toBe(true);
  });

  // Keys of which other implementations take a second encoding: y of p or more, and the sign bit where x is 0. With R and S
  // all zero but for a point of small order, a signature by such a key holds for any message.
  it.each([
    ["p + 1 for 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
    ["1 with the sign bit", "0100000000000000000000000000000000000000000000000000000000000080"],
    ["-1 with the sign bit", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"],
  ])("takes no key in a second encoding: %s", (_, key) => {
    const small = hex(`01${"00".repeat(63)}`);
    expect(ed25519Verify(small, Uint8Array.of(5), hex(`01${"00".repeat(31)}`))).toBe(true);
    expect(ed25519Verify(small, Uint8Array.of(5), hex(key))).toBe(false);
  });

  const strict = JSON.parse(readFileSync("test/vectors/ledger/ed25519-strict.json", "utf8")) as {
    readonly cases: readonly { what: string; message: string; public_key: string; signature: string; good: boolean }[];
  };

  it.each(strict.cases)("judges as the published cases of strictness have it: $what", (one) => {
    expect(ed25519Verify(hex(one.signature), hex(one.message), hex(one.public_key))).toBe(one.good);
  });

  it("signs as RFC 8032 does", () => {
    const secret = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    const [first] = VECTORS;
    expect(toHex(ed25519PublicKey(secret))).toBe(first?.key);
    expect(toHex(ed25519Sign(secret, new Uint8Array(0)))).toBe(first?.signature);
  });
});
