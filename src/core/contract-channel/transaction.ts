import type { ChannelId } from "../base/index.ts";
import type { ContractProgram } from "./contract-run.ts";
import type { StateHeader } from "./header.ts";
import type { ContractLeaf } from "./leaf.ts";
import type { Pair, Party } from "./parties.ts";
import type { TreeProof } from "./tree.ts";
import type { Units } from "./units.ts";

/** What `create` fixes for the life of a channel. The channel's id follows from it. */
export type ChannelParameters = {
  /** Account ids, 32 bytes each. */
  readonly accounts: Pair<Uint8Array>;
  /** 32 bytes, so that the same two can have more than one channel. */
  readonly salt: Uint8Array;
  /** What each puts in at the start. */
  readonly amounts: Pair<Units>;
  /** What each keeps in the channel, and loses when it closes with a state long superseded. AC-9. */
  readonly reserve: Units;
  /** Ticks between a solo close and its end, and again until contracts without evidence are paid. 1 to 65,535. */
  readonly lockPeriod: number;
  /** Ticks that a contract's delay counts at most. 1 to 2^31 - 1. */
  readonly maxDelay: number;
};

export const MAX_MAX_DELAY: number = 2 ** 31 - 1;

/** A state that is shown to the ledger: signed by both, or (without signatures) the one that the ledger has recorded. */
export type ShownState = { readonly header: StateHeader; readonly signatures: Pair<Uint8Array> | undefined };

/** A contract that is shown with what it is run on. */
export type ShownContract = {
  readonly leaf: ContractLeaf;
  readonly proof: TreeProof;
  readonly program: ContractProgram;
  readonly evidence: Uint8Array;
};

/** A contract to be paid. Its program is needed where the ledger has no record of it. */
export type ContractToPay = {
  readonly leaf: ContractLeaf;
  readonly proof: TreeProof;
  readonly program: ContractProgram | undefined;
};

/** What a transaction does. Source: the seed's names of transactions (003); the rules of each are in `applyTransaction`. */
export type Action =
  | { readonly type: "transfer"; readonly to: Uint8Array; readonly amount: Units }
  | { readonly type: "create"; readonly parameters: ChannelParameters }
  | {
      readonly type: "deposit";
      readonly channelId: ChannelId;
      readonly party: Party;
      readonly amount: Units;
      /** What the party had put in before, so that a deposit counts once. */
      readonly before: Units;
      /** The state that knows of it; both sign its hash with the deposit. AC-3. */
      readonly state: StateHeader;
    }
  | {
      readonly type: "withdraw";
      readonly channelId: ChannelId;
      readonly party: Party;
      /** The account that gets it. */
      readonly to: Uint8Array;
      readonly amount: Units;
      readonly before: Units;
      readonly state: StateHeader;
    }
  | {
      readonly type: "snapshot_solo" | "close_solo" | "slash";
      readonly channelId: ChannelId;
      readonly state: ShownState;
    }
  | {
      readonly type: "resolve";
      readonly channelId: ChannelId;
      readonly state: ShownState;
      readonly contracts: readonly ShownContract[];
    }
  | {
      readonly type: "force_progress";
      readonly channelId: ChannelId;
      readonly state: ShownState;
      readonly contract: ShownContract;
    }
  | {
      readonly type: "close_mutual";
      readonly channelId: ChannelId;
      readonly round: bigint;
      readonly shares: Pair<Units>;
    }
  | { readonly type: "settle"; readonly channelId: ChannelId }
  | { readonly type: "payout"; readonly channelId: ChannelId; readonly contracts: readonly ContractToPay[] };

export type ActionType = Action["type"];

/** Contracts in one `resolve` or `payout`. */
export const MAX_BATCH = 100;

/** What every action is signed with. */
export type Envelope = {
  /** The account that pays the fee and whose nonce counts; a party of the channel. */
  readonly from: Uint8Array;
  /** The number of transactions of this account before. */
  readonly nonce: bigint;
  readonly fee: Units;
  /** The last tick at which it may be included. */
  readonly ttl: number;
};

export type UnsignedTransaction = Envelope & { readonly action: Action };

/** Of `from` alone; of initiator and responder, in this order, where both have to sign. 64 bytes each. */
export type Transaction = UnsignedTransaction & { readonly signatures: readonly Uint8Array[] };

const CO_SIGNED: ReadonlySet<ActionType> = new Set(["create", "deposit", "withdraw", "close_mutual"]);

/** Whether both parties have to sign. */
export function isCoSigned(action: Action): boolean {
  return CO_SIGNED.has(action.type);
}
