// Ready-made contracts on the embedded ledger: transactions as bytes, in blocks, to what the accounts have in the end.
import { afterEach, describe, expect, it } from "vitest";
import { type EmbeddedLedger, openLedger } from "../../src/adapters/ledger-embedded/index.ts";
import { systemClock, systemRandom } from "../../src/adapters/system/index.ts";
import { asPaymentHash, type ChannelId, InvariantBroken } from "../../src/core/base/index.ts";
import {
  type Action,
  afterMove,
  type ChannelParameters,
  type Choice,
  channelIdOf,
  closeEvidence,
  closeMessage,
  commitmentTo,
  contractId,
  decisionEvidence,
  decisionMessage,
  encodeTransaction,
  type GameState,
  type GameTerms,
  isCoSigned,
  leastFee,
  type Move,
  moveEvidence,
  moveMessage,
  newGame,
  type Party,
  playerToMove,
  type StateHeader,
  secretEvidence,
  stalledEvidence,
  stateHash,
  type Terms,
  totalEvidence,
  totalMessage,
  transactionDigest,
  units,
} from "../../src/core/contract-channel/index.ts";
import { sha256 } from "../../src/core/crypto/index.ts";
import {
  type Account,
  type Contract,
  PARAMETERS,
  PEOPLE,
  pair,
  recorded,
  shown,
  toPay,
  treeOf,
  withRoot,
} from "../support/ledger-scene.ts";
import { account, contractOf } from "../support/ready-made.ts";

const LOCK_PERIOD = 5;
const NOTHING = new Uint8Array(0);

/** A channel with one contract on a ledger of its own, closed with it in block 4. */
type Table = {
  readonly ledger: EmbeddedLedger;
  readonly id: Uint8Array;
  readonly gasFits: boolean;
  /** Includes a resolve in the block of this height. */
  resolve(height: number, evidence: Uint8Array, by?: Party): void;
  force(height: number, evidence: Uint8Array, by: Party): void;
  /** Settles and pays at this height or later; gives what each has got of the stakes of 1,000. */
  end(height: number): { readonly initiator: bigint; readonly responder: bigint };
};

const opened: EmbeddedLedger[] = [];
afterEach(() => {
  for (const ledger of opened.splice(0)) ledger.close();
});

function table(terms: Terms): Table {
  const ledger = openLedger({ directory: undefined, clock: systemClock(), random: systemRandom() });
  opened.push(ledger);
  const { terms: rules } = ledger.description;
  const parameters: ChannelParameters = { ...PARAMETERS, lockPeriod: LOCK_PERIOD };
  const channelId: ChannelId = channelIdOf(rules.domain, parameters);
  const made = contractOf(terms);
  const id = contractId(channelId, 1n, 0);
  let contract: Contract = {
    slot: 5,
    program: made.program,
    leaf: { id, stakes: pair(500, 500), beneficiary: "responder", ...made.leaf },
  };
  const { initiator, responder } = PEOPLE;
  const paidFees = new Map<Account, bigint>();
  const include = (action: Action, from: Account = initiator): void => {
    const draft = { from: from.id, nonce: ledger.account(from.id).nonce, fee: units(0), ttl: 1_000_000, action };
    const unsigned = { ...draft, fee: units(leastFee(rules, draft)) };
    const digest = transactionDigest(rules.domain, unsigned);
    const signers = isCoSigned(action) ? [initiator, responder] : [from];
    const submitted = ledger.submit(
      encodeTransaction({ ...unsigned, signatures: signers.map((signer) => signer.sign(digest)) }),
    );
    ledger.mine();
    const status = submitted.type === "accepted" ? ledger.transaction(submitted.id).type : submitted.type;
    if (status !== "included") throw new InvariantBroken(`${action.type}: ${status}`);
    paidFees.set(from, (paidFees.get(from) ?? 0n) + unsigned.fee);
  };
  const reach = (height: number): void => {
    const missing = height - 1 - ledger.tip().height;
    if (missing < 0) throw new InvariantBroken(`the ledger is past ${height}`);
    if (missing > 0) ledger.mine(missing);
  };
  for (const { id: who } of [initiator, responder]) ledger.faucet(who, 100_000n);
  ledger.mine();
  include({ type: "create", parameters });
  const header: StateHeader = {
    channelId,
    round: 1n,
    balances: pair(parameters.amounts.initiator - 500n, parameters.amounts.responder - 500n),
    deposited: parameters.amounts,
    withdrawn: pair(0, 0),
    locked: units(1_000),
    root: treeOf([contract]).root(),
  };
  const hash = stateHash(rules.domain, header);
  const signatures = { initiator: initiator.sign(hash), responder: responder.sign(hash) };
  include({ type: "close_solo", channelId, state: { header, signatures } });
  const state = () => {
    const row = ledger.channel(channelId);
    if (row === undefined) throw new InvariantBroken("the channel is gone");
    return row;
  };
  return {
    ledger,
    id,
    gasFits: made.leaf.timeGas <= rules.maxTimeGas && made.leaf.spaceGas <= rules.maxSpaceGas,
    resolve(height, evidence, by = "responder") {
      reach(height);
      const contracts = [shown(contract, [contract], evidence)];
      include({ type: "resolve", channelId, state: recorded(state().header), contracts }, PEOPLE[by]);
    },
    force(height, evidence, by) {
      reach(height);
      const before = state().solo;
      const step = shown(contract, [contract], evidence);
      include({ type: "force_progress", channelId, state: recorded(state().header), contract: step }, PEOPLE[by]);
      const entry = ledger.log({ after: 0, channelId, limit: 100 }).at(-1);
      const events = entry?.type === "included" ? entry.events : [];
      const forced = events.find(({ type }) => type === "forced");
      if (forced?.type !== "forced") throw new InvariantBroken(`not forced, after ${before} steps`);
      if (forced.root !== undefined) contract = withRoot(contract, forced.root);
    },
    end(height) {
      reach(height);
      if (state().closing?.settled !== true) include({ type: "settle", channelId });
      if (ledger.channel(channelId) !== undefined) {
        include({ type: "payout", channelId, contracts: [toPay(contract, [contract])] });
      }
      expect(ledger.channel(channelId)).toBeUndefined();
      const got = (who: Account) => ledger.account(who.id).balance + (paidFees.get(who) ?? 0n) - 100_000n + 500n;
      return { initiator: got(initiator), responder: got(responder) };
    },
  };
}

describe("ready-made contracts on the embedded ledger", () => {
  const SECRET = new Uint8Array(32).fill(42);
  const lock: Terms = { type: "hashlock_with_expiry", paymentHash: asPaymentHash(sha256(SECRET)), expiry: 30 };

  it("[AP-2] hashlock with expiry: the block below the expiry pays, the block of the expiry does not", () => {
    const paid = table(lock);
    expect(paid.gasFits).toBe(true);
    paid.resolve(6, NOTHING, "initiator");
    paid.resolve(29, secretEvidence(SECRET));
    expect(paid.end(31)).toEqual({ initiator: 0n, responder: 1_000n });
    const late = table(lock);
    late.resolve(30, secretEvidence(SECRET));
    expect(late.end(31)).toEqual({ initiator: 1_000n, responder: 0n });
    expect(table(lock).end(30)).toEqual({ initiator: 1_000n, responder: 0n });
  });

  it("[AP-2] hashlock: pays for the secret, and goes back where nothing was recorded in time", () => {
    const terms: Terms = { type: "hashlock", paymentHash: asPaymentHash(sha256(SECRET)) };
    const paid = table(terms);
    paid.resolve(20, secretEvidence(SECRET));
    expect(paid.end(21)).toEqual({ initiator: 0n, responder: 1_000n });
    const given = table(terms);
    given.resolve(6, NOTHING, "initiator");
    expect(given.end(56)).toEqual({ initiator: 1_000n, responder: 0n });
  });

  it("escrow: the arbiter decides below the expiry, or it is divided as agreed", () => {
    const arbiter = account(77);
    const terms: Terms = { type: "escrow", arbiter: arbiter.id, expiry: 30, otherwise: 2_500 };
    const decide = ({ id }: Table) => decisionEvidence(arbiter.sign(decisionMessage(id, 6_000)), 6_000);
    const decided = table(terms);
    decided.resolve(29, decide(decided));
    expect(decided.end(30)).toEqual({ initiator: 400n, responder: 600n });
    const late = table(terms);
    late.resolve(30, decide(late));
    expect(late.end(31)).toEqual({ initiator: 750n, responder: 250n });
  });

  it("stream: the highest total counts at the expiry, or the payee's close at once", () => {
    const [payer, payee] = [account(71), account(72)];
    const terms: Terms = { type: "stream", payer: payer.id, payee: payee.id, expiry: 30 };
    const paid = ({ id }: Table, total: number) => totalEvidence(payer.sign(totalMessage(id, total)), total);
    const waiting = table(terms);
    waiting.resolve(6, paid(waiting, 10), "initiator");
    waiting.resolve(29, paid(waiting, 7_000));
    expect(waiting.end(30)).toEqual({ initiator: 300n, responder: 700n });
    const closed = table(terms);
    const ending = closeEvidence(payee.sign(closeMessage(closed.id, 40)), payer.sign(totalMessage(closed.id, 40)), 40);
    closed.resolve(6, ending);
    expect(closed.end(10)).toEqual({ initiator: 996n, responder: 4n });
  });

  const GAME: GameTerms = {
    ...{ type: "game", one: PEOPLE.responder.id, two: PEOPLE.initiator.id },
    ...{ firstDeadline: 9, moveTime: 4, rounds: 1, draw: 5_000 },
  };
  const BLINDING = new Uint8Array(32).fill(3);
  const movesOf = (first: Choice, second: Choice): readonly Move[] => [
    { type: "commit", commitment: commitmentTo(first, BLINDING) },
    { type: "choose", choice: second },
    { type: "reveal", choice: first, blinding: BLINDING },
  ];

  /** Forces moves in the last blocks that they can be in: 8, 12 and 16. */
  function forced(at: Table, moves: readonly Move[]): GameState {
    let state = newGame(GAME);
    for (const [i, move] of moves.entries()) {
      const by: Party = playerToMove(state) === "one" ? "responder" : "initiator";
      at.force(8 + 4 * i, moveEvidence(PEOPLE[by].sign(moveMessage(at.id, state, move)), state, move), by);
      const next = afterMove(GAME, state, move);
      if (next.ok) state = next.value;
    }
    return state;
  }

  it.each([
    [1, 0, 1_000n],
    [0, 1, 0n],
    [2, 2, 500n],
  ] as const)(
    "[AC-22] game: played move by move in the last block for each, %i against %i",
    (first, second, responder) => {
      const at = table(GAME);
      forced(at, movesOf(first, second));
      expect(at.end(17)).toEqual({ initiator: 1_000n - responder, responder });
    },
  );

  it.each([0, 1, 2])("[AC-22] game: who does not make move %i loses from the block of its deadline on", (step) => {
    const at = table(GAME);
    const state = forced(at, movesOf(1, 0).slice(0, step));
    at.resolve(8 + 4 * step, stalledEvidence(state), "initiator");
    at.resolve(9 + 4 * step, stalledEvidence(state), "initiator");
    const responder = playerToMove(state) === "two" ? 1_000n : 0n;
    expect(at.end(30)).toEqual({ initiator: 1_000n - responder, responder });
  });

  it("game: both let the time pass", () => {
    expect(table(GAME).end(21)).toEqual({ initiator: 500n, responder: 500n });
  });
});
