// A ready-made contract in a channel on a ledger, and the hands to dispute about it.
import { invariant } from "../../src/core/base/index.ts";
import {
  contractId,
  type LedgerEvent,
  type Party,
  type ReadyMade,
  type Terms,
} from "../../src/core/contract-channel/index.ts";
import {
  type Account,
  CHANNEL,
  type Contract,
  coSigned,
  type LedgerScene,
  ledgerScene,
  PEOPLE,
  pair,
  recorded,
  shown,
  stateOf,
  toPay,
  withRoot,
} from "./ledger-scene.ts";
import { contractOf } from "./ready-made.ts";

export const STAKES = 1_000n;

/** What both get of the stakes in the end. */
export type Divided = { readonly initiator: bigint; readonly responder: bigint };

/** One contract in a channel; the responder is its beneficiary. Both put in half of the stakes. */
export type Dispute = {
  readonly scene: LedgerScene;
  readonly made: ReadyMade;
  readonly id: Uint8Array;
  /** The contract as the recorded state has it. */
  contract(): Contract;
  at(height: number): Dispute;
  /** Records the state with the contract; the channel stays open. */
  snapshot(): Dispute;
  close(by?: Party): Dispute;
  resolve(evidence: Uint8Array, by?: Party): LedgerEvent;
  /** Forces a step; the contract has its new root then. */
  force(evidence: Uint8Array, by: Party): LedgerEvent;
  settle(): Dispute;
  /** Pays the contract out, by whoever; or why it is passed over. */
  payout(): Divided | string;
  /** What both have got of the stakes, by a payout or by a forced step that ended the contract; undefined before. */
  outcome(): Divided | undefined;
};

/** What is left to say of an event: why it was passed over, or its type. */
export function whyOf(event: LedgerEvent): string {
  return event.type === "passed" ? event.why : event.type;
}

function gained(before: Divided, after: Divided): Divided {
  return { initiator: after.initiator - before.initiator, responder: after.responder - before.responder };
}

export function dispute(terms: Terms): Dispute {
  const scene = ledgerScene();
  const made = contractOf(terms);
  const id = contractId(CHANNEL, 1n, 0);
  let contract: Contract = {
    slot: 7,
    program: made.program,
    leaf: { id, stakes: pair(STAKES / 2n, STAKES / 2n), beneficiary: "responder", ...made.leaf },
  };
  const first = coSigned(stateOf(1, [contract]));
  const isRecorded = () => scene.channel().base > 0n;
  const state = () => (isRecorded() ? recorded(scene.channel().header) : first);
  const evented = (events: readonly LedgerEvent[], ...types: readonly LedgerEvent["type"][]): LedgerEvent => {
    const found = events.find(({ type }) => types.includes(type));
    invariant(found !== undefined, `no such event among ${events.map(({ type }) => type).join()}`);
    return found;
  };
  let outcome: Divided | undefined;
  const by = (party: Party): { readonly from: Account } => ({ from: PEOPLE[party] });
  const one: Dispute = {
    scene,
    made,
    id,
    contract: () => contract,
    at(height) {
      scene.height = height;
      return one;
    },
    snapshot() {
      scene.do({ type: "snapshot_solo", channelId: CHANNEL, state: first });
      return one;
    },
    close(party = "initiator") {
      scene.do({ type: "close_solo", channelId: CHANNEL, state: state() }, by(party));
      return one;
    },
    resolve(evidence, party = "responder") {
      const contracts = [shown(contract, [contract], evidence)];
      const events = scene.do({ type: "resolve", channelId: CHANNEL, state: state(), contracts }, by(party));
      return evented(events, "resolved", "passed", "run_failed");
    },
    force(evidence, party) {
      const step = shown(contract, [contract], evidence);
      const action = { type: "force_progress", channelId: CHANNEL, state: state(), contract: step } as const;
      const events = scene.do(action, by(party));
      const event = evented(events, "forced", "passed", "run_failed");
      if (event.type !== "forced") return event;
      const next = evented(events, "state_recorded");
      if (event.root !== undefined) contract = withRoot(contract, event.root);
      else if (next.type === "state_recorded") outcome = gained(first.header.balances, next.header.balances);
      return event;
    },
    settle() {
      scene.do({ type: "settle", channelId: CHANNEL });
      return one;
    },
    payout() {
      const contracts = [toPay(contract, [contract])];
      const event = evented(scene.do({ type: "payout", channelId: CHANNEL, contracts }), "contract_paid", "passed");
      if (event.type !== "contract_paid") return whyOf(event);
      outcome = { ...event.paid };
      return outcome;
    },
    outcome: () => outcome,
  };
  return one;
}

/** The stakes divided by 10,000ths, the beneficiary being the responder. */
export function divided(amount: number): Divided {
  const responder = (STAKES * BigInt(amount)) / 10_000n;
  return { initiator: STAKES - responder, responder };
}
