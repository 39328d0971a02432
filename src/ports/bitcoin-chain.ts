import type { Txid } from "../core/base/index.ts";

/** The networks a node can stand on; `embedded` is the simulated chain and behaves like regtest. */
export type BitcoinNetwork = "main" | "test" | "signet" | "regtest";

export type BlockRef = {
  readonly height: number;
  /** 32 bytes, in the order of the serialised header. */
  readonly hash: Uint8Array;
};

export type Block = BlockRef & {
  readonly previousHash: Uint8Array;
  /** Seconds since 1970, as the header says. */
  readonly time: number;
  /** Raw serialised transactions with witness, the coinbase first. */
  readonly transactions: readonly Uint8Array[];
};

export type Outpoint = { readonly txid: Txid; readonly index: number };

/** An output of the chain or of the mempool that nothing known spends. */
export type UnspentOutput = {
  readonly amountSat: bigint;
  readonly script: Uint8Array;
  /** 0 while only in the mempool. */
  readonly confirmations: number;
  readonly coinbase: boolean;
};

export type BroadcastResult =
  | { readonly type: "accepted" }
  /**
   * In the mempool or a block already: the same as accepted for the caller. Of a mined transaction this is promised only
   * while an output of it is unspent; later a node without an index of all transactions rejects it for its missing inputs.
   */
  | { readonly type: "already_known" }
  /** `reason` is the node's own word, e.g. `min relay fee not met`. */
  | { readonly type: "rejected"; readonly reason: string };

export type ChainEvent =
  /** The best chain changed: ask for `tip` and walk back to the common ancestor. May be sent more often than needed. */
  | { readonly type: "tip" }
  /** A transaction entered the mempool. Best effort: it may be missing or come twice. */
  | { readonly type: "mempool"; readonly transaction: Uint8Array };

/**
 * A view of the Bitcoin block chain and mempool.
 *
 * Obligations of an implementation: every call may be repeated; `block` of a height returns the block of the best chain
 * at the time of the call, so that a caller detects a reorganisation by `previousHash`; `broadcast` is idempotent, sets no
 * limit of its own to the fee and answers `rejected` for bytes that are no transaction; events are hints and carry no
 * state; after an outage a `tip` event is sent. Failures to reach the node throw `ChainError`.
 */
export interface BitcoinChain {
  readonly network: BitcoinNetwork;
  /**
   * Checks that the chain can be asked and is the one that `network` says, and starts the events; before it there are none. A node
   * calls it at its start. May be repeated: connected already, it does nothing. Rejects with ChainError.
   */
  connect(): Promise<void>;
  tip(): Promise<BlockRef>;
  /** The block of the best chain at `height`, or undefined above the tip. */
  block(height: number): Promise<Block | undefined>;
  broadcast(transaction: Uint8Array): Promise<BroadcastResult>;
  /** The output if it is unspent, mempool included; undefined where it is spent or unknown. */
  unspent(outpoint: Outpoint): Promise<UnspentOutput | undefined>;
  /** Satoshi per 1000 virtual bytes for confirmation within `blocks`, or undefined where the node has no estimate. */
  feeEstimate(blocks: number): Promise<number | undefined>;
  /** The lowest rate the node relays now, in satoshi per 1000 virtual bytes. */
  relayFee(): Promise<number>;
  /** Calls `listener` for each event until the returned function is called. What a listener throws is dropped. */
  subscribe(listener: (event: ChainEvent) => void): () => void;
  /** Ends all activity: no event is sent afterwards. May be called again. */
  close(): Promise<void>;
}

export type ChainErrorCode = "unreachable" | "unauthorized" | "wrong_network" | "node_syncing" | "bad_response";

/** The chain could not be asked. `retryable` says whether the same call may succeed later without anybody's help. */
export class ChainError extends Error {
  readonly code: ChainErrorCode;
  readonly retryable: boolean;
  constructor(code: ChainErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ChainError";
    this.code = code;
    this.retryable = code === "unreachable" || code === "node_syncing";
  }
}
