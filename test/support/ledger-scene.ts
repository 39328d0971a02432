// Two parties with a channel on a ledger, and the hands to do anything to it: for tests of the ledger's rules.

import { asChannelId, type ChannelId, InvariantBroken, type Result } from "../../src/core/base/index.ts";
import {
  type Action,
  type Applied,
  applyTransaction,
  type ChannelParameters,
  type ChannelRow,
  type ContractLeaf,
  type ContractProgram,
  type ContractToPay,
  channelIdOf,
  contractTree,
  EMPTY_ROOT,
  factsHash,
  isCoSigned,
  type LedgerDomain,
  type LedgerEvent,
  type LedgerTerms,
  leafHash,
  leastFee,
  NO_FACTS,
  NO_ROOT,
  type Pair,
  type Party,
  type Refusal,
  type ShownContract,
  type ShownState,
  type StateHeader,
  stateHash,
  type Transaction,
  transactionDigest,
  type Units,
  type UnsignedTransaction,
  units,
} from "../../src/core/contract-channel/index.ts";
import { ed25519PublicKey, ed25519Sign, ed25519Verify, sha256 } from "../../src/core/crypto/index.ts";
import { assemble } from "../../src/core/vm/index.ts";
import { type MemoryRows, memoryRows } from "./ledger-rows.ts";

export const fill = (value: number): Uint8Array => new Uint8Array(32).fill(value);

export const pair = (initiator: bigint | number, responder: bigint | number): Pair<Units> => ({
  initiator: units(initiator),
  responder: units(responder),
});

/** Whoever can sign. */
export type Account = { readonly id: Uint8Array; sign(digest: Uint8Array): Uint8Array };

export function account(secret: Uint8Array): Account {
  return { id: ed25519PublicKey(secret), sign: (digest) => ed25519Sign(secret, digest) };
}

export const PEOPLE: Pair<Account> & { readonly stranger: Account } = {
  initiator: account(fill(101)),
  responder: account(fill(102)),
  stranger: account(fill(103)),
};

export const TERMS: LedgerTerms = {
  domain: { chainHash: fill(1), ledgerId: fill(2) },
  fees: { action: units(10), contract: units(5), byte: units(0) },
  maxTimeGas: 10_000,
  maxSpaceGas: 10_000,
  maxBatchTimeGas: 100_000,
};

export const RESERVE = 100n;
export const LOCK_PERIOD = 20;
export const MAX_DELAY = 200;

export const PARAMETERS: ChannelParameters = {
  accounts: { initiator: PEOPLE.initiator.id, responder: PEOPLE.responder.id },
  salt: fill(9),
  amounts: pair(10_000, 5_000),
  reserve: units(RESERVE),
  lockPeriod: LOCK_PERIOD,
  maxDelay: MAX_DELAY,
};

export const CHANNEL: ChannelId = channelIdOf(TERMS.domain, PARAMETERS);

export function program(text: string): Uint8Array {
  const assembled = assemble(text);
  if (!assembled.ok) throw new InvariantBroken(JSON.stringify(assembled.error));
  return assembled.value.code;
}

/** A contract as a test knows it: its slot, leaf and program. */
export type Contract = { readonly slot: number; readonly leaf: ContractLeaf; readonly program: ContractProgram };

export function contract(
  slot: number,
  text: string,
  more: Partial<ContractLeaf> & { facts?: readonly Uint8Array[] } = {},
): Contract {
  const code = program(text);
  const { facts = [], ...leaf } = more;
  return {
    slot,
    program: { code, facts },
    leaf: {
      id: fill(slot + 1),
      codeHash: sha256(code),
      key: fill(0),
      root: NO_ROOT,
      stakes: pair(1_000, 0),
      beneficiary: "responder",
      timeGas: 1000,
      spaceGas: 1000,
      prove: facts.length === 0 ? NO_FACTS : factsHash(facts),
      ...leaf,
    },
  };
}

export function withRoot(one: Contract, root: Uint8Array): Contract {
  return { ...one, leaf: { ...one.leaf, root } };
}

export function treeOf(contracts: readonly Contract[]): ReturnType<typeof contractTree> {
  return contractTree(contracts.map(({ slot, leaf }) => [slot, leafHash(leaf)] as const));
}

/** A state of the scene's channel whose sums are right: what contracts lock comes out of the balances of those who stake it. */
export function stateOf(
  round: bigint | number,
  contracts: readonly Contract[] = [],
  more: Partial<StateHeader> & { push?: bigint } = {},
): StateHeader {
  const { push = 0n, ...given } = more;
  const deposited = given.deposited ?? PARAMETERS.amounts;
  const withdrawn = given.withdrawn ?? pair(0, 0);
  const staked = (party: Party): bigint => contracts.reduce((sum, { leaf }) => sum + leaf.stakes[party], 0n);
  const balance = (party: Party): bigint => deposited[party] - withdrawn[party] - staked(party);
  return {
    channelId: CHANNEL,
    round: BigInt(round),
    balances: pair(balance("initiator") - push, balance("responder") + push),
    deposited,
    withdrawn,
    locked: units(staked("initiator") + staked("responder")),
    root: contracts.length === 0 ? EMPTY_ROOT : treeOf(contracts).root(),
    ...given,
  };
}

export function coSigned(header: StateHeader, domain: LedgerDomain = TERMS.domain): ShownState {
  const hash = stateHash(domain, header);
  return { header, signatures: { initiator: PEOPLE.initiator.sign(hash), responder: PEOPLE.responder.sign(hash) } };
}

export function recorded(header: StateHeader): ShownState {
  return { header, signatures: undefined };
}

export function shown(one: Contract, among: readonly Contract[], evidence: string | Uint8Array = ""): ShownContract {
  const bytes = typeof evidence === "string" ? program(evidence) : evidence;
  return { leaf: one.leaf, proof: treeOf(among).proof(one.slot), program: one.program, evidence: bytes };
}

export function toPay(one: Contract, among: readonly Contract[]): ContractToPay {
  return { leaf: one.leaf, proof: treeOf(among).proof(one.slot), program: one.program };
}

export type Submitting = {
  readonly from?: Account;
  readonly nonce?: bigint;
  readonly fee?: bigint;
  readonly ttl?: number;
  /** Who signs in place of the parties or the sender. */
  readonly signers?: readonly Account[];
};

/** A ledger with two rich accounts and a clock that a test moves. */
export type LedgerScene = {
  readonly rows: MemoryRows;
  /** The height of the next block. */
  height: number;
  /** Fees that were paid. */
  burned: bigint;
  transaction(action: Action, how?: Submitting): Transaction;
  /** The action, signed by whoever has to and sent by `from` (the initiator), and done where the rules allow it. */
  try(action: Action, how?: Submitting): Result<Applied, Refusal>;
  /** The same; throws where it is refused. */
  do(action: Action, how?: Submitting): readonly LedgerEvent[];
  channel(): ChannelRow;
  balance(who: Account): bigint;
};

export function signed(domain: LedgerDomain, unsigned: UnsignedTransaction, signers: readonly Account[]): Transaction {
  const digest = transactionDigest(domain, unsigned);
  return { ...unsigned, signatures: signers.map((signer) => signer.sign(digest)) };
}

export const FUNDS = 1_000_000n;

export function ledgerScene({ open = true }: { open?: boolean } = {}): LedgerScene {
  const rows = memoryRows();
  for (const { id } of Object.values(PEOPLE)) {
    rows.write([{ type: "account", id, row: { balance: units(FUNDS), nonce: 0n } }]);
  }
  const scene: LedgerScene = {
    rows,
    height: 100,
    burned: 0n,
    transaction(action, how = {}) {
      const { from = PEOPLE.initiator, ttl = 2 ** 31, nonce = rows.account(from.id)?.nonce ?? 0n } = how;
      const draft = { from: from.id, nonce, fee: units(0), ttl, action };
      const fee = units(how.fee ?? leastFee(TERMS, draft));
      const signers = how.signers ?? (isCoSigned(action) ? [PEOPLE.initiator, PEOPLE.responder] : [from]);
      return signed(TERMS.domain, { ...draft, fee }, signers);
    },
    try(action, how) {
      const transaction = scene.transaction(action, how);
      const context = { terms: TERMS, height: scene.height, verify: ed25519Verify };
      const applied = applyTransaction(rows, transaction, context);
      if (applied.ok) {
        rows.write(applied.value.changes);
        scene.burned += transaction.fee;
      }
      return applied;
    },
    do(action, how) {
      const applied = scene.try(action, how);
      if (!applied.ok)
        throw new InvariantBroken(`refused: ${applied.error.type} ${Object.values(applied.error).join(" ")}`);
      return applied.value.events;
    },
    channel() {
      const found = rows.channel(CHANNEL);
      if (found === undefined) throw new InvariantBroken("there is no channel");
      return found;
    },
    balance: ({ id }) => rows.account(id)?.balance ?? 0n,
  };
  if (open) scene.do({ type: "create", parameters: PARAMETERS });
  return scene;
}

export const channelIdFor = (parameters: ChannelParameters): ChannelId =>
  asChannelId(channelIdOf(TERMS.domain, parameters));
