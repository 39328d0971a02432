import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { err, invariant, ok, type Result } from "../base/index.ts";

/** The words are unknown, too many or too few, or their checksum is wrong. It never carries the words. */
export interface BadSeedPhrase {
  readonly type: "bad_seed_phrase";
}

/** The English phrase of 12 words for 16 bytes of entropy, or of 24 words for 32. Source: BIP 39. */
export function seedPhrase(entropy: Uint8Array): string {
  invariant(entropy.length === 16 || entropy.length === 32, "a seed phrase takes 16 or 32 bytes of entropy");
  return entropyToMnemonic(entropy, wordlist);
}

/**
 * The wallet's seed, 64 bytes, from an English phrase as a person may type it (case and white space don't matter) and an
 * optional passphrase. Any passphrase is valid and gives another seed. Source: BIP 39.
 */
export function seedFromPhrase(phrase: string, passphrase = ""): Result<Uint8Array, BadSeedPhrase> {
  const words = phrase.trim().toLowerCase().split(/\s+/).join(" ");
  if (!validateMnemonic(words, wordlist)) return err({ type: "bad_seed_phrase" });
  return ok(mnemonicToSeedSync(words, passphrase));
}
