export { ed25519PublicKey, ed25519Sign, ed25519Verify } from "./ed25519.ts";
export { hash160, hash256, ripemd160, sha256 } from "./hashes.ts";
export { type CoinType, type KeyPaths, type KeyReference, keyPaths } from "./key-paths.ts";
export {
  ACT_ONE_BYTES,
  ACT_THREE_BYTES,
  ACT_TWO_BYTES,
  type HandshakeError,
  type HandshakeKeys,
  type Initiator,
  initiateHandshake,
  type Responder,
  respondToHandshake,
} from "./noise-handshake.ts";
export { type BadTransportTag, NoiseTransport, TRANSPORT_HEADER_BYTES } from "./noise-transport.ts";
export {
  FIRST_REVOCATION_INDEX,
  insertRevocation,
  lookupRevocation,
  type RevocationNotDerivable,
  type RevocationPath,
  type RevocationSlot,
  type RevocationSlots,
} from "./revocation-chain.ts";
export { SEALED_CHECK_BYTES, SEALED_SALT_BYTES, type SealedFileKey, sealedFileKey } from "./sealed-file.ts";
export { secp256k1 } from "./secp256k1.ts";
export type { Secp256k1 } from "./secp256k1-backend.ts";
export { type BadSeedPhrase, seedFromPhrase, seedPhrase } from "./seed-phrase.ts";
export { derDecode, derEncode, isLowS } from "./signature.ts";
export { type Signer, seedSigner } from "./signer.ts";
