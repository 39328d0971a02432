import type { FeeEstimate } from "../core/payment-channel/index.ts";
import type { BitcoinChain } from "../ports/bitcoin-chain.ts";
import type { Clock } from "../ports/clock.ts";

/** Satoshi per 1000 virtual bytes, used where the chain has no estimate. */
const DEFAULT_FALLBACK = 2_000;
/** What a Bitcoin node relays unless its owner says otherwise. Source: Bitcoin Core, DEFAULT_MIN_RELAY_TX_FEE. */
const DEFAULT_RELAY = 1_000;
/** A Bitcoin node gives no estimate for one block. */
const NEXT_BLOCKS = 2;
const REFRESH_MS = 60_000;
/** How long an estimate counts as one of late: about three blocks. */
const RECENT_MS = 30 * 60_000;
/**
 * For how long after the start the lowest of late is taken to be zero: nobody told us what the estimate was before, and a peer may
 * go by that until it asks again.
 */
const UNKNOWN_MS = 5 * REFRESH_MS;

type Sample = { readonly at: number; readonly rate: number };

/**
 * The chain's fee rates, held so that a step can read them. They are asked for anew with each block and every minute;
 * while the chain can't be asked, the last answer stands. Whoever may have to act on a change is told.
 */
export class FeeSource {
  private readonly chain: BitcoinChain;
  private readonly clock: Clock;
  private readonly onChange: () => void;
  private held: FeeEstimate;
  /** Estimates of late, the oldest first. */
  private samples: Sample[] = [];
  private startedAt = 0;
  private unsubscribe: () => void = () => {};
  private cancelTimer: () => void = () => {};
  private stopped = false;
  private asking = false;
  private wanted = false;

  /** `fallback` in satoshi per 1000 virtual bytes. `onChange` is called when `estimate` has become another. */
  constructor(options: {
    chain: BitcoinChain;
    clock: Clock;
    fallback?: number | undefined;
    onChange?: (() => void) | undefined;
  }) {
    this.chain = options.chain;
    this.clock = options.clock;
    this.onChange = options.onChange ?? (() => {});
    this.held = { nextBlock: undefined, relay: DEFAULT_RELAY, fallback: options.fallback ?? DEFAULT_FALLBACK };
  }

  get estimate(): FeeEstimate {
    return this.held;
  }

  /** Resolves when the chain was asked once, whether or not it answered. */
  async start(): Promise<void> {
    this.startedAt = this.clock.now();
    this.unsubscribe = this.chain.subscribe((event) => {
      if (event.type === "tip") void this.refresh();
    });
    await this.refresh();
  }

  stop(): void {
    this.stopped = true;
    this.unsubscribe();
    this.cancelTimer();
  }

  private async refresh(): Promise<void> {
    this.wanted = true;
    if (this.asking) return;
    this.asking = true;
    this.cancelTimer();
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      try {
        const [nextBlock, relay] = await Promise.all([this.chain.feeEstimate(NEXT_BLOCKS), this.chain.relayFee()]);
        if (!this.stopped) this.hold(nextBlock, relay);
      } catch {
        // The follower asks the same chain and tells that it is away.
      }
    }
    this.asking = false;
    if (!this.stopped) this.cancelTimer = this.clock.after(REFRESH_MS, () => void this.refresh());
  }

  private hold(nextBlock: number | undefined, relay: number): void {
    const { fallback } = this.held;
    const at = this.clock.now();
    this.samples = [
      ...this.samples.filter((sample) => at - sample.at < RECENT_MS),
      { at, rate: nextBlock ?? fallback },
    ];
    const rates = this.samples.map(({ rate }) => rate);
    const lowest = at - this.startedAt < UNKNOWN_MS ? 0 : Math.min(...rates);
    const recent = { lowest, highest: Math.max(...rates) };
    const before = this.held;
    this.held = { nextBlock, relay, fallback, recent };
    const isSame =
      before.nextBlock === nextBlock &&
      before.relay === relay &&
      before.recent?.lowest === recent.lowest &&
      before.recent?.highest === recent.highest;
    if (!isSame) this.onChange();
  }
}
