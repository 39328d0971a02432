// Faults put into the product on purpose, to see that the campaign finds them. Each is a few replacements in the source, of text that
// occurs once: a test says so, so that none of them goes out of date unnoticed.

/** A replacement in one file: `find` occurs in it exactly once. */
type Edit = { readonly file: string; readonly find: string; readonly replace: string };

export type PlantedBug = {
  readonly name: string;
  /** What goes wrong, and what it would cost somebody. */
  readonly what: string;
  readonly edits: readonly Edit[];
};

const CLAIMS = "src/core/payment-channel/claims.ts";
const COMMITS = "src/core/payment-channel/commits.ts";
const ENFORCEMENT = "src/core/payment-channel/enforcement.ts";
const DEADLINES = "src/core/payment-channel/deadline-heights.ts";
const SESSION = "src/node/session.ts";
const PAYMENTS = "src/node/payments.ts";
const ON_CHAIN = "src/node/channels-on-chain.ts";

export const PLANTED_BUGS: readonly PlantedBug[] = [
  // The outputs of a commitment on chain
  {
    name: "penalty-forgets-received-htlcs",
    what: "of a revoked commitment the HTLCs that we offered are left to the cheater",
    edits: [
      {
        file: CLAIMS,
        find: 'return { spend: { type: "received_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };',
        replace: "return undefined;",
      },
    ],
  },
  {
    name: "penalty-forgets-to-self",
    what: "of a revoked commitment the cheater keeps its own output",
    edits: [
      {
        file: CLAIMS,
        find: 'return { spend: { type: "to_self_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };',
        replace: "return undefined;",
      },
    ],
  },
  {
    name: "penalty-one-block-late",
    what: "a penalty can be in a block only one after the cheater's own claim can",
    edits: [
      {
        file: CLAIMS,
        find: 'return { spend: { type: "to_self_revoked", script, revocationPreimage }, from: confirmed, contestedFrom };',
        replace:
          'return { spend: { type: "to_self_revoked", script, revocationPreimage }, from: contestedFrom + 1, contestedFrom };',
      },
    ],
  },
  {
    name: "own-commitment-forgets-preimages",
    what: "HTLCs whose preimage we hold are not claimed from our own commitment",
    edits: [
      {
        file: CLAIMS,
        find: "return { spend, from: matured, contestedFrom: expiry + 1 };",
        replace: "return spend.delay > 0 ? undefined : { spend, from: matured, contestedFrom: expiry + 1 };",
      },
    ],
  },
  {
    name: "preimage-claimed-one-block-late",
    what: "an HTLC on the peer's commitment is claimed with its preimage only when the peer can take it back already",
    edits: [
      {
        file: CLAIMS,
        find: "return { spend, from: confirmed, contestedFrom: Math.max(expiry + 1, matured) };",
        replace:
          "return { spend, from: Math.max(expiry + 1, matured) + 1, contestedFrom: Math.max(expiry + 1, matured) };",
      },
    ],
  },
  {
    name: "timeouts-forgotten",
    what: "an HTLC that we offered is not taken back from the peer's commitment after its expiry",
    edits: [
      {
        file: CLAIMS,
        find: 'return { spend: { type: "received_timeout", script, expiry }, from: expiry + 1, contestedFrom: matured };',
        replace: "return undefined;",
      },
    ],
  },
  {
    name: "revoked-rows-never-looked-up",
    what: "a revoked commitment is seen and nobody asks the store what was in it",
    edits: [
      {
        file: ON_CHAIN,
        find: 'if (anchorSpend?.kind !== "revoked" || anchorSpend.holder !== undefined) continue;',
        replace: 'if (anchorSpend?.kind !== "revoked" || anchorSpend.number >= 0) continue;',
      },
    ],
  },
  {
    name: "witness-not-read",
    what: "a preimage that the peer shows on chain is not learned",
    edits: [
      {
        file: ENFORCEMENT,
        find: "if (spend.ours || preimage?.length !== 32) return step(changes);",
        replace: "if (spend.ours || preimage?.length !== 31) return step(changes);",
      },
    ],
  },
  {
    name: "reorganised-spend-kept",
    what: "a reorganisation takes the spend of an anchor away, and nobody notices",
    edits: [
      {
        file: ON_CHAIN,
        find: 'if (anchorSpend?.height === height) runner.run(batch, { type: "anchor_unspent" });',
        replace: "",
      },
    ],
  },
  {
    name: "failed-told-at-once",
    what: "a payment counts as failed with the first block that says so, though a reorganisation may have it succeed",
    edits: [
      {
        file: "src/core/payment-channel/refunds.ts",
        find: "export const SETTLED_DEPTH = 6;",
        replace: "export const SETTLED_DEPTH = 1;",
      },
    ],
  },
  // Deadlines
  {
    name: "deadline-without-the-delay",
    what: "a channel goes to the chain for a preimage too late for the delay of its claim",
    edits: [
      {
        file: DEADLINES,
        find: "return htlc.expiry - (state.terms.remote?.delay ?? 0) - CLAIM_MARGIN;",
        replace: "return htlc.expiry - Math.min(state.terms.remote?.delay ?? 0, 0);",
      },
    ],
  },
  {
    name: "no-deadline-of-our-own",
    what: "an HTLC that we offered stands for ever when the peer does not answer",
    edits: [
      { file: DEADLINES, find: "return htlc.expiry + GRACE;", replace: "return htlc.expiry + GRACE + 1_000_000;" },
    ],
  },
  {
    name: "expiry-not-looked-at",
    what: "a payment is taken that expires too soon to be enforced",
    edits: [{ file: PAYMENTS, find: ": htlc.expiry < soonest", replace: ": htlc.expiry < soonest - 1_000_000" }],
  },
  // Commitments
  {
    name: "revealed-before-cleared",
    what: "a preimage is revealed when only our own commitment has the HTLC",
    edits: [
      {
        file: COMMITS,
        find: "const after = bounds(coverage, state.commitments.remote[0]?.coverage);",
        replace: "const after = coverage;",
      },
      {
        file: "src/core/payment-channel/state.ts",
        find: "  return htlc.addNumber > 0 && isCoveredByAll(state, addedBy(htlc), htlc.addNumber);",
        replace:
          "  return htlc.addNumber > 0 && (htlc.removal === undefined || isCoveredByAll(state, addedBy(htlc), htlc.addNumber));",
      },
    ],
  },
  {
    name: "old-signature-kept",
    what: "the signature of a commitment is not the one that is stored with it: it can't be broadcast",
    edits: [
      {
        file: COMMITS,
        find: '{ type: "commitment", row: { ...row, signature: message.signature } },',
        replace: '{ type: "commitment", row: { ...row, signature: last.signature } },',
      },
    ],
  },
  {
    name: "revocation-not-kept",
    what: "the preimages that the peer reveals are not kept, so that nothing can be punished",
    edits: [
      {
        file: "src/core/payment-channel/changes.ts",
        find: "state.revocationSlots = [...state.revocationSlots.filter((s) => s.slot !== change.slot.slot), change.slot];",
        replace: "state.revocationSlots = [...state.revocationSlots];",
      },
    ],
  },
  // What is durable when
  {
    name: "effects-before-the-commit",
    what: "messages leave before the rows that they stand for are durable",
    edits: [
      {
        file: "src/node/journal.ts",
        find: "await this.store.commit({ sequence: this.sequence + 1, changes: batch.changes });",
        replace: "this.store.commit({ sequence: this.sequence + 1, changes: batch.changes }).catch(() => undefined);",
      },
    ],
  },
  {
    name: "outbox-not-written",
    what: "what waits for the peer is forgotten with the process",
    edits: [{ file: SESSION, find: 'if (this.stored) batch.change({ type: "outbox", row });', replace: "" }],
  },
  {
    name: "received-not-counted",
    what: "how much of the peer's stream was processed is known to the process alone",
    edits: [
      {
        file: SESSION,
        find: '      end.change({ type: "stream", row: this.stream });',
        replace: "",
      },
    ],
  },
  {
    name: "acknowledge-refreshed-on-resend",
    what: "a packet that is sent again says that more was seen than when it was made, so that it means another commitment",
    edits: [{ file: SESSION, find: "      last.acknowledge,\n", replace: "      this.stream.received,\n" }],
  },
  {
    name: "resent-from-the-start",
    what: "what the peer has already is sent to it again",
    edits: [
      {
        file: SESSION,
        find: "    this.transmitted = acknowledge;",
        replace: "    this.transmitted = acknowledge - 1;",
      },
      {
        file: SESSION,
        find: "    this.acknowledged(acknowledge);\n    this.authenticated = true;",
        replace: "    this.acknowledged(acknowledge - 1);\n    this.authenticated = true;",
      },
    ],
  },
  // Old copies of the data
  {
    name: "proof-of-an-old-copy-ignored",
    what: "an old copy of the data broadcasts what it takes for its newest commitment",
    edits: [
      {
        file: "src/core/payment-channel/recovery.ts",
        find: "return equalBytes(preimage, ours) ? enterRecovery(state, context) : NOTHING;",
        replace: "return equalBytes(preimage, ours) ? NOTHING : NOTHING;",
      },
    ],
  },
  {
    name: "backup-goes-on",
    what: "a channel restored from a backup goes on as if nothing had happened since",
    edits: [
      {
        file: "src/core/payment-channel/recovery.ts",
        find: 'return { ...row, stage: "failed", failure: STALE, errorDue: true, stale: true };',
        replace: "return { ...row, errorDue: row.failure === STALE };",
      },
    ],
  },
  // Openings
  {
    name: "stranded-opening-left",
    what: "a failed opening of two for which only the peer has all signatures holds our coins for ever",
    edits: [
      {
        file: "src/core/payment-channel/dual-funding-end.ts",
        find: "return signing.ok ? signing : NOTHING;",
        replace: "return signing.ok ? NOTHING : NOTHING;",
      },
    ],
  },
  // The wallet
  {
    name: "withdrawals-given-once",
    what: "a withdrawal that the chain's node lost, or could not take, is never given to it again",
    edits: [
      {
        file: "src/node/chain-duties.ts",
        find: "for (const txid of wallet.withdrawals.due()) await this.giveWithdrawalAgain(txid);",
        replace: "",
      },
    ],
  },
  // Payments
  {
    name: "paid-twice",
    what: "a payment asked for again while it is under way is made a second time",
    edits: [
      {
        file: PAYMENTS,
        find: "if (known !== undefined) return ok(known);",
        replace: "if (known !== undefined && known.id !== id) return ok(known);",
      },
      { file: "src/node/node.ts", find: "await before?.catch(() => undefined);", replace: "" },
    ],
  },
  {
    name: "invoice-settled-twice",
    what: "whoever pays an invoice a second time loses the money to its issuer",
    edits: [{ file: PAYMENTS, find: "    this.invoices.delete(key);\n", replace: "" }],
  },
];
