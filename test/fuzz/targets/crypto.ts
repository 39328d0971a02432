import assert from "node:assert/strict";
import { concatBytes, equalBytes } from "../../../src/core/base/index.ts";
import {
  derDecode,
  derEncode,
  ed25519Verify,
  FIRST_REVOCATION_INDEX,
  insertRevocation,
  isLowS,
  lookupRevocation,
  type RevocationSlot,
  secp256k1,
  seedFromPhrase,
  seedPhrase,
} from "../../../src/core/crypto/index.ts";
import { revocationPath } from "../../../src/core/crypto/revocation-chain.ts";
import { bytesOf, Choices, type Outcome, type Target, textOf, words } from "../target.ts";

const SEED = new Uint8Array(32).fill(5);

/** A peer reveals its chain, and now and then something else. */
function revocations(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const outcomes = new Set<string>();
  let slots: RevocationSlot[] = [];
  const revealed = new Map<bigint, Uint8Array>();
  let index = FIRST_REVOCATION_INDEX - BigInt(choices.below(64));
  const chain = revocationPath(SEED);
  while (!choices.done && revealed.size < 40) {
    const isRight = choices.below(8) !== 0;
    const preimage = isRight ? chain.preimage(index) : choices.take(32);
    const inserted = insertRevocation(slots, index, preimage);
    outcomes.add(`${isRight} ${inserted.ok}`);
    if (inserted.ok) {
      const { value } = inserted;
      slots = [...slots.filter(({ slot }) => slot !== value.slot), value];
      revealed.set(index, preimage);
      index--;
    } else if (!isRight) assert.equal(inserted.error.index, index);
    // After a wrong one was taken, the right one is refused: the channel fails then.
    else break;
    assert.ok(slots.length <= 65);
  }
  for (const [at, preimage] of revealed) {
    const found = lookupRevocation(slots, at);
    assert.ok(found !== undefined && equalBytes(found, preimage), "what was taken is what is found");
  }
  assert.equal(lookupRevocation(slots, index), undefined);
  return [...outcomes];
}

const HASH = new Uint8Array(32).fill(9);
const SECRET = new Uint8Array(32).fill(1);

/** Keys and signatures that anybody may have made up. */
function curve(input: Uint8Array): Outcome {
  const der = derDecode(input);
  if (der !== undefined) {
    assert.deepEqual(derEncode(der), input, "there is one encoding");
    isLowS(der);
  }
  const key = input.subarray(0, 33);
  const rest = input.subarray(33);
  const isKey = secp256k1.isPublicKey(key);
  assert.equal(secp256k1.ecdh(key, SECRET) !== undefined, isKey);
  const tweaked = secp256k1.tweakPublic(key, rest.subarray(0, 32));
  if (tweaked !== undefined) assert.ok(isKey && secp256k1.isPublicKey(tweaked));
  const multiplied = secp256k1.multiplyPublic(key, rest.subarray(0, 32));
  if (multiplied !== undefined) assert.ok(isKey && secp256k1.isPublicKey(multiplied));
  const good = secp256k1.verify(rest, HASH, key);
  if (good) assert.ok(isKey && rest.length === 64 && isLowS(rest));
  const schnorr = secp256k1.schnorrVerify(rest, HASH, key.subarray(0, 32));
  const edwards = ed25519Verify(rest, HASH, key.subarray(0, 32));
  return `${der !== undefined} ${isKey} ${good} ${schnorr} ${edwards} ${tweaked !== undefined} ${multiplied !== undefined}`;
}

function phrase(input: Uint8Array): Outcome {
  const read = seedFromPhrase(textOf(input));
  if (!read.ok) return read.error.type;
  assert.equal(read.value.length, 64);
  return "seed";
}

const PUBLIC = secp256k1.publicKey(SECRET);

export const CRYPTO: readonly Target[] = [
  {
    name: "revocations",
    about: "the preimages that a peer reveals, and what is kept of them",
    seeds: () => [new Uint8Array(40).fill(1), Uint8Array.from({ length: 90 }, (_, i) => i)],
    longest: 400,
    run: revocations,
  },
  {
    name: "keys-and-signatures",
    about: "public keys and signatures on both curves, DER",
    seeds: () => [
      concatBytes(PUBLIC, secp256k1.sign(HASH, SECRET)),
      derEncode(secp256k1.sign(HASH, SECRET)),
      concatBytes(PUBLIC.subarray(1), Uint8Array.of(0), secp256k1.schnorrSign(HASH, SECRET, HASH)),
      concatBytes(PUBLIC, SECRET),
    ],
    longest: 160,
    run: curve,
  },
  {
    name: "seed-phrase",
    about: "the words that stand in the file beside the store",
    seeds: () => [bytesOf(`${seedPhrase(SEED)}\n`), bytesOf("abandon ".repeat(12))],
    dictionary: words("abandon ", "zoo ", "\n", "art", "\u3000", "é"),
    longest: 400,
    run: phrase,
  },
];
