import { concatBytes } from "../../core/base/index.ts";
import { type LedgerDescription, type LedgerTerms, units } from "../../core/contract-channel/index.ts";
import { ed25519PublicKey, sha256 } from "../../core/crypto/index.ts";
import { bytesIn, type Sql, type SqlRow, type SqlValue } from "./file.ts";
import type { StateRows } from "./state-rows.ts";

/** All money there is, from the first block on. It is the faucet's until somebody asks for some. */
const SUPPLY = 2n ** 62n;

/** Which rules: other rules would be another ledger. 32 ASCII bytes, padded with zeros. */
function ledgerId(): Uint8Array {
  const id = new Uint8Array(32);
  id.set(new TextEncoder().encode("sluice embedded ledger 1"));
  return id;
}

const FEES = { action: units(10), contract: units(5), byte: units(0) };

function termsOf(chainHash: Uint8Array): LedgerTerms {
  return {
    domain: { chainHash, ledgerId: ledgerId() },
    fees: FEES,
    maxTimeGas: 20_000,
    maxSpaceGas: 65_536,
    maxBatchTimeGas: 200_000,
  };
}

/** The blocks of one ledger: what it is made of once, and then read. */
export type Genesis = { readonly terms: LedgerTerms; readonly faucetSecret: Uint8Array };

/** Reads which ledger the file is, or makes a new one of 32 random bytes. */
export function genesis(sql: Sql, rows: StateRows, randomBytes: (length: number) => Uint8Array): Genesis {
  const get = sql.prepare<SqlValue[], SqlRow>("SELECT value FROM meta WHERE name = ?");
  const known = get.get("chain_hash");
  if (known !== undefined) {
    return { terms: termsOf(bytesIn(known, "value")), faucetSecret: bytesIn(get.get("faucet_secret"), "value") };
  }
  const faucetSecret = randomBytes(32);
  const chainHash = sha256(concatBytes(new TextEncoder().encode("sluice embedded ledger"), randomBytes(32)));
  sql.transaction(() => {
    const set = sql.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
    set.run("chain_hash", chainHash);
    set.run("faucet_secret", faucetSecret);
    sql.prepare("INSERT INTO block (height, hash, undoable) VALUES (0, ?, 0)").run(chainHash);
    const row = { balance: units(SUPPLY), nonce: 0n };
    rows.write([{ type: "account", id: ed25519PublicKey(faucetSecret), row }], 0);
    rows.forget(0);
  })();
  return { terms: termsOf(chainHash), faucetSecret };
}

export function describe(
  terms: LedgerTerms,
  options: { readonly blockEveryMs: number | undefined; readonly retractable: number },
): LedgerDescription {
  const { blockEveryMs, retractable } = options;
  return {
    terms,
    scheme: "ed25519",
    unitScale: 8,
    // Blocks also come on demand, as fast as somebody asks.
    tickMs: { least: 0, most: blockEveryMs },
    finality: retractable + 1,
  };
}
