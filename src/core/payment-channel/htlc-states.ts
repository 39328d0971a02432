// The states of seed 000, derived from the numbers of messages and from what commitments cover. They are never stored: there is
// nothing that they could disagree with. "State is for your signatures": what counts is what *we* have signed.
import { type HtlcRow, isRequested, type Side } from "./rows.ts";
import { type ChannelState, isAddedIn, isCleared, isIn, isSettled, newest, oldestUnrevoked } from "./state.ts";

/** How far the add of an HTLC has come. Spec: LS-16; seed 000 "ADD HTLCs". */
export type AddState =
  /** Requested, and not answered. */
  | "add_prestage"
  /** Both agree to add it: accepted, or added on a plain channel. No commitment that we have signed has it. */
  | "add_staged"
  /** We have signed a commitment of the peer with it, and the peer can still broadcast one without it. */
  | "add_signing_and_revoking"
  /** The peer has revoked every commitment without it; our own newest commitment lacks it. */
  | "add_complete"
  /** It stands in both newest commitments, and all before them without it are revoked. */
  | "add_cleared"
  /** Turned down, or withdrawn, before it was staged. */
  | "add_rejected";

type Kind = "settle" | "timeout";

/** How far the removal has come, a payment's (settle) or a refund's (timeout). Spec: LS-22, LS-23; seed 000. */
export type RemovalState =
  /** Requested, and not accepted. */
  | `${Kind}_prestage`
  /** Both agree to remove it. No commitment that we have signed lacks it. */
  | `${Kind}_staged`
  /** We have signed a commitment of the peer without it, and somebody can still broadcast one with it. */
  | `${Kind}_signing_and_revoking`
  /** Gone from both newest commitments, and all before them with it are revoked. */
  | `${Kind}_complete`;

export type HtlcStates = {
  readonly add: AddState;
  /** Undefined while nobody wants to remove it, and where it was rejected. */
  readonly removal: RemovalState | undefined;
  /** Whether it stands in the newest commitment of either side. In one of them only, it is in transit. Spec: LS-31. */
  readonly inLocal: boolean;
  readonly inRemote: boolean;
};

/** The states of a live HTLC, for our signatures. Spec: LS-16, LS-22, LS-23, LS-31. */
export function htlcStates(state: ChannelState, htlc: HtlcRow): HtlcStates {
  const [local, remote] = [newest(state, "local"), newest(state, "remote")];
  return {
    add: addState(state, htlc),
    removal: removalState(state, htlc),
    inLocal: local !== undefined && isIn(htlc, local.coverage),
    inRemote: remote !== undefined && isIn(htlc, remote.coverage),
  };
}

function addState(state: ChannelState, htlc: HtlcRow): AddState {
  if (isRequested(htlc)) return "add_prestage";
  if (htlc.addNumber === 0) return "add_rejected";
  if (isCleared(state, htlc)) return "add_cleared";
  const [signed, oldest] = [newest(state, "remote"), oldestUnrevoked(state, "remote")];
  if (signed === undefined || !isAddedIn(htlc, signed.coverage)) return "add_staged";
  return oldest !== undefined && isAddedIn(htlc, oldest.coverage) ? "add_complete" : "add_signing_and_revoking";
}

function removalState(state: ChannelState, htlc: HtlcRow): RemovalState | undefined {
  const { removal, removedBy, removeNumber, addNumber, id } = htlc;
  if (removal === undefined) {
    const request = state.removalRequests.get(id);
    return request && `${kindOf(request.removal.type)}_prestage`;
  }
  if (addNumber === 0) return undefined;
  const kind = kindOf(removal.type);
  if (isSettled(state, htlc)) return `${kind}_complete`;
  const signed = newest(state, "remote")?.coverage[removedBy] ?? 0;
  return removeNumber <= signed ? `${kind}_signing_and_revoking` : `${kind}_staged`;
}

function kindOf(removal: "fulfilled" | "failed"): Kind {
  return removal === "fulfilled" ? "settle" : "timeout";
}

/** What a commitment is. An invalid one closes the channel, so that there is no state of that name. Spec: LS-12. */
export type CommitmentState =
  /** The one after the newest: changes wait for it. */
  | "commit_staging"
  /** Signed; its holder has not accepted it, and may broadcast the one before as well. */
  | "commit_signed"
  /** Its holder has accepted it by revoking the one before: the oldest that may be broadcast. */
  | "commit_complete"
  /** Revoked: never broadcast. */
  | "commit_deprecated";

/** The state of a side's commitment; undefined for one that nothing waits for yet. */
export function commitmentState(state: ChannelState, holder: Side, number: number): CommitmentState | undefined {
  const [oldest, last] = [oldestUnrevoked(state, holder), newest(state, holder)];
  if (oldest === undefined || last === undefined) return undefined;
  if (number < oldest.number) return "commit_deprecated";
  if (number === oldest.number) return "commit_complete";
  if (number <= last.number) return "commit_signed";
  const { coverage } = last;
  const waits = state.lastChange.local > coverage.local || state.lastChange.remote > coverage.remote;
  return number === last.number + 1 && waits ? "commit_staging" : undefined;
}
