import {
  encodeTransaction,
  type LedgerRows,
  type LedgerTerms,
  leastFee,
  transactionDigest,
  units,
} from "../../core/contract-channel/index.ts";
import { ed25519PublicKey, ed25519Sign } from "../../core/crypto/index.ts";

/** The faucet gives at most this much at once. */
export const FAUCET_LIMIT: bigint = 10n ** 15n;

const FOREVER = 2 ** 32 - 1;

/** The faucet's next transfer, signed. `rows` are as they will be when it is included. */
export function faucetTransfer(
  { rows, terms, secret }: { readonly rows: LedgerRows; readonly terms: LedgerTerms; readonly secret: Uint8Array },
  to: Uint8Array,
  amount: bigint,
): Uint8Array {
  const from = ed25519PublicKey(secret);
  const nonce = rows.account(from)?.nonce ?? 0n;
  const action = { type: "transfer" as const, to, amount: units(amount) };
  const draft = { from, nonce, fee: units(0), ttl: FOREVER, action };
  const unsigned = { ...draft, fee: units(leastFee(terms, draft)) };
  const signatures = [ed25519Sign(secret, transactionDigest(terms.domain, unsigned))];
  return encodeTransaction({ ...unsigned, signatures });
}
