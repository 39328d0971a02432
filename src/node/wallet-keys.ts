import { invariant, toHex } from "../core/base/index.ts";
import { payToWitnessPublicKeyHash, witnessProgramOf } from "../core/bitcoin/index.ts";
import type { KeyPaths, KeyReference, Signer } from "../core/crypto/index.ts";
import type { CoinRow, WalletKeysRow } from "../ports/store.ts";
import type { Batch } from "./journal.ts";

/** Keys past the last one handed out that are watched as well. Source: BIP 44, address gap limit. */
const GAP = 20;

type HandedOut = Exclude<CoinRow["keyKind"], "final">;

/** Names a key that spends coins. */
export type WalletKey = Pick<CoinRow, "keyKind" | "keyIndex">;

/** Which keys the wallet has handed out, and which outputs they can spend: P2WPKH to a key of the wallet or of a channel. */
export class WalletKeys {
  private readonly signer: Signer;
  private readonly paths: KeyPaths;
  private readonly next: Record<HandedOut, number>;
  private readonly watched: Record<HandedOut, number> = { receive: 0, change: 0 };
  /** By the hash of the public key. */
  private readonly byHash = new Map<string, WalletKey>();

  constructor(options: { row: WalletKeysRow; channelIndexes: number; signer: Signer; paths: KeyPaths }) {
    this.signer = options.signer;
    this.paths = options.paths;
    this.next = { receive: options.row.nextReceive, change: options.row.nextChange };
    this.watchAhead();
    for (let index = 0; index < options.channelIndexes; index++) this.watch({ keyKind: "final", keyIndex: index });
  }

  get row(): WalletKeysRow {
    return { nextReceive: this.next.receive, nextChange: this.next.change };
  }

  reference({ keyKind, keyIndex }: WalletKey): KeyReference {
    if (keyKind === "final") return this.paths.finalKey(keyIndex);
    return this.paths.walletKey(keyKind === "receive" ? 0 : 1, keyIndex);
  }

  publicKey(key: WalletKey): Uint8Array {
    return this.signer.publicKey(this.reference(key));
  }

  script(key: WalletKey): Uint8Array {
    return payToWitnessPublicKeyHash(this.publicKey(key));
  }

  /** The key that spends an output, or undefined where none that is watched does. */
  find(script: Uint8Array): WalletKey | undefined {
    const witness = witnessProgramOf(script);
    if (witness === undefined || witness.version !== 0 || witness.program.length !== 20) return undefined;
    return this.byHash.get(toHex(witness.program));
  }

  /** The key that is handed out next. */
  fresh(keyKind: HandedOut): WalletKey {
    return { keyKind, keyIndex: this.next[keyKind] };
  }

  /** The key, and those of its kind before it, are not handed out again. */
  used(batch: Batch, { keyKind, keyIndex }: WalletKey): void {
    if (keyKind === "final" || keyIndex < this.next[keyKind]) return;
    this.next[keyKind] = keyIndex + 1;
    this.watchAhead();
    batch.change({
      type: "wallet_keys",
      row: this.row,
    });
  }

  watch(key: WalletKey): void {
    const witness = witnessProgramOf(this.script(key));
    invariant(witness !== undefined, "P2WPKH is a witness program");
    this.byHash.set(toHex(witness.program), key);
  }

  private watchAhead(): void {
    for (const keyKind of ["receive", "change"] as const) {
      for (const end = this.next[keyKind] + GAP; this.watched[keyKind] < end; this.watched[keyKind]++) {
        this.watch({ keyKind, keyIndex: this.watched[keyKind] });
      }
    }
  }
}
