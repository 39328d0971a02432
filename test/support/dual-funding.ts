// A channel that Alice asks for and both fund, step by step, with wallets of coins that exist only by name.
import { asChannelId, asNodeId, asTxid, equalBytes, type Msat, type Satoshi } from "../../src/core/base/index.ts";
import {
  type FundingInput,
  type FundingShare,
  fundingInputScript,
  fundingSighash,
  selectShare,
} from "../../src/core/bitcoin/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import {
  acceptDual,
  beginDual,
  type ChannelError,
  type ChannelPolicy,
  type DualRequest,
  fundingFeeRate,
  type Input,
  type Tell,
} from "../../src/core/payment-channel/index.ts";
import type { FundingRequest } from "../../src/core/wire/index.ts";
import { ChannelPair, type Party, type PartyName } from "./channel-pair.ts";

type TellOf<T extends Tell["type"]> = Extract<Tell, { type: T }>;
type Checked = Extract<Input, { type: "inputs_checked" }>["inputs"][number];

/** Coins of a party: the wallet key of the same number spends each. */
export class Purse {
  readonly coins: readonly FundingInput[];
  private readonly party: Party;

  constructor(party: Party, amounts: readonly bigint[]) {
    this.party = party;
    this.coins = amounts.map((amountSat, n) => ({
      txid: asTxid(sha256(new TextEncoder().encode(`${party.name} ${n}`))),
      index: n,
      amountSat,
      publicKey: party.signer.publicKey(party.keys.walletKey(0, n)),
    }));
  }

  share(role: "requester" | "responder", contributionSat: bigint, feeRate: number): FundingShare {
    const chosen = selectShare({ coins: this.coins, role, contributionSat, feeRate, most: 20 });
    if (!chosen.ok) throw new Error("the purse is too small");
    const changeScript = fundingInputScript({
      ...chosen.value[0],
      publicKey: this.party.signer.publicKey(this.key(99)),
    } as FundingInput);
    return { contributionSat, inputs: chosen.value, changeScript };
  }

  private key(n: number) {
    return this.party.keys.walletKey(0, n);
  }

  sign({ transaction, inputs }: TellOf<"sign_funding">): Uint8Array[] {
    return inputs.map((input) => {
      const hash = fundingSighash(transaction, input);
      if (hash === undefined) throw new Error("the input is not in the transaction");
      return this.party.signer.sign(this.key(this.coins.findIndex(({ txid }) => equalBytes(txid, input.txid))), hash);
    });
  }
}

export function found(input: FundingInput, change: Partial<NonNullable<Checked["output"]>> = {}): Checked {
  const { amountSat } = input;
  return {
    output: { amountSat, script: fundingInputScript(input), confirmations: 1, coinbase: false, ...change },
    ours: false,
  };
}

export type DualOptions = {
  readonly contributionSat?: bigint;
  readonly wishedSat?: bigint;
  readonly leastSat?: bigint;
  readonly pushMsat?: bigint;
  /** What Bob's policy lets him put in. */
  readonly maxContributionSat?: bigint;
  readonly policy?: Partial<ChannelPolicy>;
};

/** Each step is a method, so that a test can stop, alter and look between any two. */
export class DualPair extends ChannelPair {
  readonly purses: Record<PartyName, Purse>;
  private readonly options: DualOptions;

  constructor(options: DualOptions = {}) {
    const maxContributionSat = (options.maxContributionSat ?? 5_000_000n) as Satoshi;
    super({ alice: { ...options.policy }, bob: { ...options.policy, maxContributionSat } });
    this.options = options;
    this.purses = {
      alice: new Purse(this.alice, [2_000_000n, 300_000n]),
      bob: new Purse(this.bob, [700_000n, 400_000n]),
    };
  }

  request(change: Partial<DualRequest> = {}): ChannelError | undefined {
    const { contributionSat = 600_000n, wishedSat = 400_000n, leastSat = 0n, pushMsat = 0n } = this.options;
    const { alice } = this;
    const rate = fundingFeeRate(alice.context());
    const begun = beginDual(
      {
        peer: asNodeId(new Uint8Array(33).fill(2)),
        index: 7,
        temporaryId: asChannelId(new Uint8Array(32).fill(9)),
        pushMsat: pushMsat as Msat,
        share: this.purses.alice.share("requester", contributionSat, rate),
        fundingFeeRate: rate,
        wishedSat: wishedSat as Satoshi,
        leastSat: leastSat as Satoshi,
        ...change,
      },
      alice.context(),
    );
    if (!begun.ok) return begun.error;
    alice.state = begun.value.state;
    alice.take(begun.value.changes, begun.value.effects);
    return undefined;
  }

  /** Bob takes up the request, as it is or altered. */
  take(alter: (message: FundingRequest) => FundingRequest = (message) => message): ChannelError | undefined {
    const { bob } = this;
    const message = alter(this.next("alice", "funding_request"));
    const packet = this.alice.outgoing.shift();
    if (packet === undefined) throw new Error("no request is under way");
    bob.received = packet.number;
    const id = packet.pkt.channelId ?? asChannelId(new Uint8Array(32));
    const begun = acceptDual(asNodeId(new Uint8Array(33).fill(3)), 4, id, message, bob.context());
    if (!begun.ok) return begun.error;
    bob.state = begun.value.state;
    bob.take(begun.value.changes, begun.value.effects);
    return undefined;
  }

  /** The oldest question of a kind that a party has asked, which is answered with this. */
  asked<T extends Tell["type"]>(name: PartyName, type: T): TellOf<T> {
    const { tells } = this[name];
    const at = tells.findIndex((tell) => tell.type === type);
    const [tell] = tells.splice(at, 1);
    if (at === -1 || tell?.type !== type) throw new Error(`${name} did not ask for ${type}`);
    return tell as TellOf<T>;
  }

  /** The chain knows the inputs of the other, but for what a test says. */
  check(name: PartyName, alter: (checked: Checked[]) => Checked[] = (checked) => checked): ChannelError | undefined {
    const { inputs } = this.asked(name, "check_inputs");
    return this[name].run({ type: "inputs_checked", inputs: alter(inputs.map((input) => found(input))) });
  }

  /** Bob's wallet reserves what is asked for. */
  contribute(): ChannelError | undefined {
    const { amountSat, feeRate } = this.asked("bob", "contribute");
    return this.bob.run({ type: "contributed", share: this.purses.bob.share("responder", amountSat, feeRate) });
  }

  sign(name: PartyName): ChannelError | undefined {
    const tell = this.asked(name, "sign_funding");
    const { purpose, transaction } = tell;
    return this[name].run({
      type: "funding_signed",
      purpose,
      transaction,
      signatures: this.purses[name].sign(tell),
    });
  }

  /** Up to Bob's response, which is under way. */
  respond(): this {
    must(this.request());
    must(this.take());
    must(this.check("bob"));
    if (this.bob.channel.stage.stage === "awaiting_input_check") must(this.contribute());
    return this;
  }

  /** Up to Alice's sign-accept, which is under way. */
  signAccept(): this {
    this.respond();
    must(this.deliver("bob"));
    must(this.check("alice"));
    must(this.sign("alice"));
    return this;
  }

  /** Up to Bob's sign-complete, which is under way. */
  signComplete(): this {
    this.signAccept();
    must(this.deliver("alice"));
    must(this.sign("bob"));
    return this;
  }
}

export function must(error: ChannelError | undefined): void {
  if (error !== undefined)
    throw new Error(`${error.type} [${error.rule}] ${error.detail ?? ""} ${error.limit} ${error.actual}`);
}
