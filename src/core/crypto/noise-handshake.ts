// initiator                                   responder
//   |-- act one:   e, es           (50 bytes) -->|
//   |<- act two:   e, ee           (50 bytes) ---|
//   |-- act three: s, se           (66 bytes) -->|
//   |== transport messages, both ways ===========|
//
// e: fresh key, s: static key, xy: ECDH of the initiator's x and the responder's y. Source: BOLT 8.

import { concatBytes, err, invariant, ok, type Result } from "../base/index.ts";
import { sha256 } from "./hashes.ts";
import { hkdfPair, open, sealInto, TAG_BYTES } from "./noise-cipher.ts";
import { NoiseTransport } from "./noise-transport.ts";
import { secp256k1 } from "./secp256k1.ts";

/** Bytes of each act. */
export const ACT_ONE_BYTES = 50;
export const ACT_TWO_BYTES = 50;
export const ACT_THREE_BYTES = 66;

type Act = 1 | 2 | 3;

/** Why a handshake failed: close the connection without another byte. Nothing here tells a stranger more than that. */
export type HandshakeError =
  | { readonly type: "handshake_length"; readonly act: Act; readonly expected: number; readonly actual: number }
  | { readonly type: "handshake_version"; readonly act: Act; readonly version: number }
  | { readonly type: "handshake_public_key"; readonly act: Act }
  | { readonly type: "handshake_tag"; readonly act: Act };

/** What each side brings. */
export interface HandshakeKeys {
  /** Our static public key, 33 bytes: our node id. */
  readonly localStatic: Uint8Array;
  /** ECDH of our static key, whose secret stays in the signer; undefined for an invalid public key. */
  readonly ecdh: (publicKey: Uint8Array) => Uint8Array | undefined;
  /** A fresh secret key for this handshake alone, 32 random bytes that are a valid key. */
  readonly ephemeralSecret: Uint8Array;
}

/** The initiator after act one. */
export interface Initiator {
  /** Act one, 50 bytes, to send. */
  readonly actOne: Uint8Array;
  /** Takes act two; gives act three, 66 bytes, to send before any message, and the transport. Call it once. */
  readAct2(
    act: Uint8Array,
  ): Result<{ readonly actThree: Uint8Array; readonly transport: NoiseTransport }, HandshakeError>;
}

/** The responder after act one. */
export interface Responder {
  /** Act two, 50 bytes, to send. */
  readonly actTwo: Uint8Array;
  /** Takes act three; gives the peer's proven static public key (33 bytes) and the transport. Call it once. */
  readAct3(
    act: Uint8Array,
  ): Result<{ readonly remoteStatic: Uint8Array; readonly transport: NoiseTransport }, HandshakeError>;
}

const VERSION = 0;
const KEY_BYTES = 33;
const NOTHING = new Uint8Array(0);
const ascii = (text: string) => new TextEncoder().encode(text);
const PROTOCOL = sha256(ascii("Noise_XK_secp256k1_ChaChaPoly_SHA256"));
const PROLOGUE = ascii("lightning");

/** The running digest, chaining key and temporary key of a handshake. */
class HandshakeState {
  #digest: Uint8Array;
  #chainingKey = PROTOCOL;
  #key: Uint8Array = NOTHING;

  constructor(responderStatic: Uint8Array) {
    this.#digest = sha256(concatBytes(PROTOCOL, PROLOGUE));
    this.mix(responderStatic);
  }

  mix(bytes: Uint8Array): void {
    this.#digest = sha256(concatBytes(this.#digest, bytes));
  }

  mixKey(shared: Uint8Array): void {
    [this.#chainingKey, this.#key] = hkdfPair(this.#chainingKey, shared);
  }

  seal(counter: number, plaintext: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealInto(sealed, this.#key, counter, plaintext, this.#digest);
    this.mix(sealed);
    return sealed;
  }

  open(counter: number, sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = open(this.#key, counter, sealed, this.#digest);
    if (plaintext !== undefined) this.mix(sealed);
    return plaintext;
  }

  finish(role: "initiator" | "responder"): NoiseTransport {
    const [fromInitiator, fromResponder] = hkdfPair(this.#chainingKey, NOTHING);
    return role === "initiator"
      ? new NoiseTransport(this.#chainingKey, fromInitiator, fromResponder)
      : new NoiseTransport(this.#chainingKey, fromResponder, fromInitiator);
  }
}

function checkAct(bytes: Uint8Array, act: Act, expected: number): HandshakeError | undefined {
  if (bytes.length !== expected) return { type: "handshake_length", act, expected, actual: bytes.length };
  const version = bytes[0] ?? 0;
  return version === VERSION ? undefined : { type: "handshake_version", act, version };
}

/** Acts one and two are alike: a version, a fresh public key, and the tag of nothing. */
function writeKeyAct(state: HandshakeState, ephemeral: Uint8Array, shared: Uint8Array): Uint8Array {
  state.mix(ephemeral);
  state.mixKey(shared);
  return concatBytes(Uint8Array.of(VERSION), ephemeral, state.seal(0, NOTHING));
}

/** The peer's fresh public key from act one or two. */
function readKeyAct(
  state: HandshakeState,
  bytes: Uint8Array,
  act: 1 | 2,
  ecdh: (publicKey: Uint8Array) => Uint8Array | undefined,
): Result<Uint8Array, HandshakeError> {
  const bad = checkAct(bytes, act, act === 1 ? ACT_ONE_BYTES : ACT_TWO_BYTES);
  if (bad !== undefined) return err(bad);
  const ephemeral = bytes.slice(1, 1 + KEY_BYTES);
  const shared = ecdh(ephemeral);
  if (shared === undefined) return err({ type: "handshake_public_key", act });
  state.mix(ephemeral);
  state.mixKey(shared);
  if (state.open(0, bytes.subarray(1 + KEY_BYTES)) === undefined) return err({ type: "handshake_tag", act });
  return ok(ephemeral);
}

/** Starts a handshake with the node whose id is `remoteStatic`; the error names act 1 where that is no public key. */
export function initiateHandshake(keys: HandshakeKeys, remoteStatic: Uint8Array): Result<Initiator, HandshakeError> {
  const { localStatic, ecdh, ephemeralSecret } = keys;
  const shared = secp256k1.ecdh(remoteStatic, ephemeralSecret);
  if (shared === undefined) return err({ type: "handshake_public_key", act: 1 });
  const state = new HandshakeState(remoteStatic);
  const actOne = writeKeyAct(state, secp256k1.publicKey(ephemeralSecret), shared);
  return ok({
    actOne,
    readAct2(act) {
      const read = readKeyAct(state, act, 2, (publicKey) => secp256k1.ecdh(publicKey, ephemeralSecret));
      if (!read.ok) return read;
      const sealedStatic = state.seal(1, localStatic);
      const sharedStatic = ecdh(read.value);
      invariant(sharedStatic !== undefined, "the responder's key of act two was checked");
      state.mixKey(sharedStatic);
      const actThree = concatBytes(Uint8Array.of(VERSION), sealedStatic, state.seal(0, NOTHING));
      return ok({ actThree, transport: state.finish("initiator") });
    },
  });
}

/** Answers a handshake whose act one is `actOne`. */
export function respondToHandshake(keys: HandshakeKeys, actOne: Uint8Array): Result<Responder, HandshakeError> {
  const { localStatic, ecdh, ephemeralSecret } = keys;
  const state = new HandshakeState(localStatic);
  const read = readKeyAct(state, actOne, 1, ecdh);
  if (!read.ok) return read;
  const shared = secp256k1.ecdh(read.value, ephemeralSecret);
  invariant(shared !== undefined, "the initiator's key of act one was checked");
  const actTwo = writeKeyAct(state, secp256k1.publicKey(ephemeralSecret), shared);
  return ok({
    actTwo,
    readAct3(act) {
      const bad = checkAct(act, 3, ACT_THREE_BYTES);
      if (bad !== undefined) return err(bad);
      const endOfStatic = 1 + KEY_BYTES + TAG_BYTES;
      const remoteStatic = state.open(1, act.subarray(1, endOfStatic));
      if (remoteStatic === undefined) return err({ type: "handshake_tag", act: 3 });
      const sharedStatic = secp256k1.ecdh(remoteStatic, ephemeralSecret);
      if (sharedStatic === undefined) return err({ type: "handshake_public_key", act: 3 });
      state.mixKey(sharedStatic);
      if (state.open(0, act.subarray(endOfStatic)) === undefined) return err({ type: "handshake_tag", act: 3 });
      return ok({ remoteStatic, transport: state.finish("responder") });
    },
  });
}
