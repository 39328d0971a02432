export { hash160, hash256, hkdfSha256, hmacSha256, ripemd160, sha256 } from "./hashes.ts";
export { type CoinType, type KeyPaths, type KeyReference, keyPaths } from "./key-paths.ts";
export {
  FIRST_REVOCATION_INDEX,
  insertRevocation,
  lookupRevocation,
  type RevocationNotDerivable,
  type RevocationPath,
  type RevocationSlot,
  type RevocationSlots,
  revocationPath,
  revocationPreimage,
} from "./revocation-chain.ts";
export { backends, secp256k1 } from "./secp256k1.ts";
export type { Secp256k1 } from "./secp256k1-backend.ts";
export { type BadSeedPhrase, seedFromPhrase, seedPhrase } from "./seed-phrase.ts";
export { derDecode, derEncode, isLowS } from "./signature.ts";
export { type Signer, seedSigner } from "./signer.ts";
