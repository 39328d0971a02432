// A ledger's rules with parties that sign cheaply: for properties, which take thousands of transactions.

import { concatBytes, equalBytes, type Result } from "../../src/core/base/index.ts";
import {
  type Action,
  type Applied,
  applyTransaction,
  type ChannelParameters,
  channelIdOf,
  isCoSigned,
  type LedgerEvent,
  type Pair,
  type Party,
  type Refusal,
  type ShownState,
  type StateHeader,
  stateHash,
  transactionDigest,
  type Units,
  type UnsignedTransaction,
  units,
  type Verify,
} from "../../src/core/contract-channel/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import { type MemoryRows, memoryRows } from "./ledger-rows.ts";
import { fill, pair, TERMS } from "./ledger-scene.ts";

/** Who signs with this can be checked by anybody, and forged by anybody: a test forges only what its party may sign. */
export function cheapSignature(account: Uint8Array, digest: Uint8Array): Uint8Array {
  return concatBytes(sha256(concatBytes(account, digest)), new Uint8Array(32));
}

const verify: Verify = (signature, digest, account) => equalBytes(signature, cheapSignature(account, digest));

export const ACCOUNTS: Pair<Uint8Array> = { initiator: fill(11), responder: fill(12) };
export const LOCK = 4;
export const PLAY_RESERVE = 100n;
export const PLAY_PARAMETERS: ChannelParameters = {
  accounts: ACCOUNTS,
  salt: fill(9),
  amounts: pair(10_000, 8_000),
  reserve: units(PLAY_RESERVE),
  lockPeriod: LOCK,
  maxDelay: 12,
};
export const PLAY_CHANNEL: StateHeader["channelId"] = channelIdOf(TERMS.domain, PLAY_PARAMETERS);
export const PLAY_FUNDS = 10_000_000n;

/** A state that both signed. */
export function bothSign(header: StateHeader): ShownState {
  const hash = stateHash(TERMS.domain, header);
  const by = (party: Party): Uint8Array => cheapSignature(ACCOUNTS[party], hash);
  return { header, signatures: { initiator: by("initiator"), responder: by("responder") } };
}

export type Sending = {
  readonly from: Party;
  readonly fee?: bigint;
  readonly nonce?: bigint;
  readonly ttl?: number;
  /** Who signs; both where both have to, by default. */
  readonly signers?: readonly Party[];
};

export type Play = {
  readonly rows: MemoryRows;
  height: number;
  /** What each has paid in fees, and out of the channel at a mutual close. */
  readonly burned: { initiator: bigint; responder: bigint };
  send(action: Action, how: Sending): Result<Applied, Refusal>;
  /** The events of what the rules allowed; none of what they refused. */
  events(action: Action, how: Sending): readonly LedgerEvent[];
};

const FEE: Units = units(1_000);

export function play(): Play {
  const rows = memoryRows();
  for (const id of Object.values(ACCOUNTS)) {
    rows.write([{ type: "account", id, row: { balance: units(PLAY_FUNDS), nonce: 0n } }]);
  }
  const self: Play = {
    rows,
    height: 10,
    burned: { initiator: 0n, responder: 0n },
    send(action, { from, fee = FEE, nonce, ttl = 2 ** 31, signers }) {
      const account = ACCOUNTS[from];
      const next = nonce ?? rows.account(account)?.nonce ?? 0n;
      const unsigned: UnsignedTransaction = { from: account, nonce: next, fee: units(fee), ttl, action };
      const digest = transactionDigest(TERMS.domain, unsigned);
      const parties = signers ?? (isCoSigned(action) ? (["initiator", "responder"] as const) : [from]);
      const signatures = parties.map((party) => cheapSignature(ACCOUNTS[party], digest));
      const context = { terms: TERMS, height: self.height, verify };
      const applied = applyTransaction(rows, { ...unsigned, signatures }, context);
      if (applied.ok) {
        rows.write(applied.value.changes);
        self.burned[from] += fee;
      }
      return applied;
    },
    events(action, how) {
      const applied = self.send(action, how);
      return applied.ok ? applied.value.events : [];
    },
  };
  return self;
}
