// Addresses and the output scripts that they stand for. Source: BIP 173 and BIP 350 for segwit, base58check for the older kinds.
import { bech32, bech32m, createBase58check } from "@scure/base";
import { err, ok, type Result } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import {
  payToPublicKeyHash,
  payToScriptHash,
  publicKeyHashOf,
  scriptHashOf,
  witnessProgramOf,
  witnessProgramScript,
} from "./script.ts";

export type AddressNetwork = "main" | "test" | "signet" | "regtest";

export type BadAddress = {
  readonly type: "bad_address";
  /** `wrong_network`: well-formed, but for another network; `malformed`: anything else. */
  readonly reason: "malformed" | "wrong_network";
};

/** The longest address by BIP 173. Reading base58 takes time by the square of the length. */
const MAX_ADDRESS_LENGTH = 90;

type Prefixes = { readonly segwit: string; readonly publicKeyHash: number; readonly scriptHash: number };
const MAIN: Prefixes = { segwit: "bc", publicKeyHash: 0x00, scriptHash: 0x05 };
const TEST: Prefixes = { segwit: "tb", publicKeyHash: 0x6f, scriptHash: 0xc4 };
const PREFIXES: Readonly<Record<AddressNetwork, Prefixes>> = {
  main: MAIN,
  test: TEST,
  signet: TEST,
  regtest: { ...TEST, segwit: "bcrt" },
};

const base58check = createBase58check(sha256);

type Decoded = { readonly network: string | number; readonly script: Uint8Array };

/** Version 0 is written as bech32, later ones as bech32m; the other way round is refused. */
function decodeSegwit(address: string): Decoded | undefined {
  for (const coder of [bech32, bech32m]) {
    const decoded = coder.decodeUnsafe(address, MAX_ADDRESS_LENGTH);
    const [version = 17, ...words] = decoded?.words ?? [];
    const program = decoded === undefined ? undefined : coder.fromWordsUnsafe(words);
    if (decoded === undefined || !(program instanceof Uint8Array) || version > 16) continue;
    if ((version === 0) !== (coder === bech32) || program.length < 2 || program.length > 40) continue;
    if (version === 0 && program.length !== 20 && program.length !== 32) continue;
    return { network: decoded.prefix, script: witnessProgramScript({ version, program }) };
  }
  return undefined;
}

function decodeBase58(address: string): Decoded | undefined {
  let bytes: Uint8Array;
  try {
    bytes = base58check.decode(address);
  } catch {
    return undefined;
  }
  const [version] = bytes;
  const hash = bytes.subarray(1);
  if (version === undefined || hash.length !== 20) return undefined;
  if (version === MAIN.publicKeyHash || version === TEST.publicKeyHash) {
    return { network: version, script: payToPublicKeyHash(hash) };
  }
  if (version === MAIN.scriptHash || version === TEST.scriptHash)
    return { network: version, script: payToScriptHash(hash) };
  return undefined;
}

/** The output script of an address of `network`. Test and signet share their addresses. */
export function addressToScript(address: string, network: AddressNetwork): Result<Uint8Array, BadAddress> {
  const short = address.length <= MAX_ADDRESS_LENGTH;
  const decoded = short ? (decodeSegwit(address) ?? decodeBase58(address)) : undefined;
  if (decoded === undefined) return err({ type: "bad_address", reason: "malformed" });
  const { segwit, publicKeyHash, scriptHash } = PREFIXES[network];
  const fits = [segwit, publicKeyHash, scriptHash].includes(decoded.network);
  return fits ? ok(decoded.script) : err({ type: "bad_address", reason: "wrong_network" });
}

/** The address of an output script on `network`, or undefined where a script of this kind has none. */
export function scriptToAddress(script: Uint8Array, network: AddressNetwork): string | undefined {
  const { segwit, publicKeyHash, scriptHash } = PREFIXES[network];
  const witness = witnessProgramOf(script);
  if (witness !== undefined) {
    const { version, program } = witness;
    if (version === 0 && program.length !== 20 && program.length !== 32) return undefined;
    const coder = version === 0 ? bech32 : bech32m;
    return coder.encode(segwit, [version, ...coder.toWords(program)], MAX_ADDRESS_LENGTH);
  }
  const keyHash = publicKeyHashOf(script);
  if (keyHash !== undefined) return base58check.encode(Uint8Array.of(publicKeyHash, ...keyHash));
  const hash = scriptHashOf(script);
  return hash === undefined ? undefined : base58check.encode(Uint8Array.of(scriptHash, ...hash));
}
