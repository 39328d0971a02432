// One of each thing that is signed, named or recorded on a ledger, for those who implement it elsewhere.

import { toHex } from "../../src/core/base/index.ts";
import {
  type Action,
  channelIdOf,
  contractId,
  EMPTY_ROOT,
  encodeHeader,
  encodeLeaf,
  encodeProof,
  encodeRecord,
  encodeTransaction,
  factsHash,
  firstState,
  isCoSigned,
  leafHash,
  stateHash,
  transactionDigest,
  units,
} from "../../src/core/contract-channel/index.ts";
import {
  CHANNEL,
  contract,
  coSigned,
  fill,
  PARAMETERS,
  PEOPLE,
  pair,
  recorded,
  shown,
  signed,
  stateOf,
  TERMS,
  toPay,
  treeOf,
} from "./ledger-scene.ts";

const BET = contract(3, "nil", { facts: [Uint8Array.of(1, 2, 3)] });
const GAME = contract(4001, "drop int 0 int 1 int 5 nil", {
  root: fill(77),
  stakes: pair(500, 700),
  beneficiary: "initiator",
});
const BOTH = [BET, GAME];
const STATE = stateOf(7, BOTH, { push: 250n });
const DEPOSITED = stateOf(8, BOTH, { deposited: pair(10_300, 5_000) });
const WITHDRAWN = stateOf(9, BOTH, { withdrawn: pair(0, 400) });

function actions(): readonly Action[] {
  const channelId = CHANNEL;
  const flow = { channelId, party: "initiator" as const, amount: units(300), before: units(10_000), state: DEPOSITED };
  return [
    { type: "transfer", to: fill(5), amount: units(2n ** 62n) },
    { type: "create", parameters: PARAMETERS },
    { type: "deposit", ...flow },
    {
      ...flow,
      type: "withdraw",
      party: "responder",
      amount: units(400),
      before: units(0),
      to: fill(6),
      state: WITHDRAWN,
    },
    { type: "snapshot_solo", channelId, state: coSigned(STATE) },
    { type: "close_solo", channelId, state: recorded(firstState(channelId, PARAMETERS)) },
    { type: "slash", channelId, state: coSigned(STATE) },
    {
      type: "resolve",
      channelId,
      state: coSigned(STATE),
      contracts: [shown(BET, BOTH, "int 0 int 1 int 5"), shown(GAME, BOTH)],
    },
    { type: "force_progress", channelId, state: recorded(STATE), contract: shown(GAME, BOTH, "int 1") },
    { type: "close_mutual", channelId, round: 12n, shares: pair(9_000, 5_990) },
    { type: "settle", channelId },
    { type: "payout", channelId, contracts: [toPay(BET, BOTH), { ...toPay(GAME, BOTH), program: undefined }] },
  ];
}

function ofAction(action: Action): object {
  const unsigned = { from: PEOPLE.initiator.id, nonce: 5n, fee: units(10), ttl: 1_000, action };
  const signers = isCoSigned(action) ? [PEOPLE.initiator, PEOPLE.responder] : [PEOPLE.initiator];
  const transaction = signed(TERMS.domain, unsigned, signers);
  return {
    action: action.type,
    digest: toHex(transactionDigest(TERMS.domain, unsigned)),
    signatures: transaction.signatures.map(toHex),
    bytes: toHex(encodeTransaction(transaction)),
  };
}

/** Secrets, then what follows from them. Bytes are hexadecimal. */
export function ledgerVectors(): object {
  const tree = treeOf(BOTH);
  const signatures = coSigned(STATE).signatures;
  return {
    ledger: { chain_hash: toHex(TERMS.domain.chainHash), ledger_id: toHex(TERMS.domain.ledgerId) },
    accounts: {
      initiator: { secret: toHex(fill(101)), id: toHex(PEOPLE.initiator.id) },
      responder: { secret: toHex(fill(102)), id: toHex(PEOPLE.responder.id) },
    },
    channel: {
      id: toHex(channelIdOf(TERMS.domain, PARAMETERS)),
      first_state: toHex(encodeHeader(firstState(CHANNEL, PARAMETERS))),
    },
    state: {
      header: toHex(encodeHeader(STATE)),
      hash: toHex(stateHash(TERMS.domain, STATE)),
      signatures: signatures === undefined ? [] : [toHex(signatures.initiator), toHex(signatures.responder)],
    },
    contracts: BOTH.map(({ slot, leaf, program }) => ({
      slot,
      leaf: toHex(encodeLeaf(leaf)),
      hash: toHex(leafHash(leaf)),
      facts: program.facts.map(toHex),
      facts_hash: toHex(factsHash(program.facts)),
      proof: toHex(encodeProof(tree.proof(slot))),
    })),
    tree: { root: toHex(tree.root()), empty_root: toHex(EMPTY_ROOT) },
    contract_id: { round: "7", index: 2, id: toHex(contractId(CHANNEL, 7n, 2)) },
    record: {
      nonce: 3,
      height: 120,
      until: 159,
      amount: 3_333,
      bytes: toHex(encodeRecord({ nonce: 3, height: 120, until: 159, amount: 3_333 })),
    },
    transactions: actions().map(ofAction),
  };
}
