/**
 * What is done about an error.
 * - `refuse`: a command of ours is refused; nothing changed.
 * - `fail_channel`: the peer broke a rule; the named channel ends. Seed 001 says "fail the connection".
 */
export type Reaction = "refuse" | "fail_channel";

const REACTIONS = {
  // Commands of the user or of the payment engine
  not_open: "refuse",
  /** A broken invariant stopped the updates of this channel; what protects its money goes on. */
  frozen: "refuse",
  /** Our data are an old copy: nothing may be begun with them, nor broadcast from them. */
  data_too_old: "refuse",
  peer_not_ready: "refuse",
  channel_closing: "refuse",
  amount_zero: "refuse",
  insufficient_balance: "refuse",
  too_many_htlcs: "refuse",
  dust_exposure: "refuse",
  expiry_too_soon: "refuse",
  expiry_too_far: "refuse",
  payment_hash_is_revocation_hash: "refuse",
  unknown_htlc: "refuse",
  htlc_not_cleared: "refuse",
  already_removed: "refuse",
  wrong_preimage: "refuse",
  /** We or the peer don't have channels with pre-staging. */
  prestage_unavailable: "refuse",
  /** Not an HTLC that is requested, and neither accepted nor rejected. */
  not_prestaged: "refuse",
  /** Our own request to remove it is under way. */
  removal_requested: "refuse",
  too_much_unacknowledged: "refuse",
  amount_out_of_range: "refuse",
  push_too_large: "refuse",
  fee_rate_unreasonable: "refuse",
  /** A commitment's rate is such that it would not confirm in time: no HTLC is staked on it. */
  fee_rate_too_low: "refuse",
  bad_close_script: "refuse",
  insufficient_funds: "refuse",
  failed_by_user: "refuse",
  feature_not_negotiated: "refuse",
  opening_timed_out: "refuse",
  contribution_too_small: "refuse",
  own_input_gone: "refuse",
  not_cancellable: "refuse",
  // A peer's violations
  remote_undecodable: "fail_channel",
  remote_acknowledge: "fail_channel",
  remote_digest: "fail_channel",
  unexpected_message: "fail_channel",
  remote_delay_unreasonable: "fail_channel",
  remote_min_depth_unreasonable: "fail_channel",
  remote_fee_rate_unreasonable: "fail_channel",
  remote_reserve_unreasonable: "fail_channel",
  remote_terms_unacceptable: "fail_channel",
  remote_close_script: "fail_channel",
  anchor_too_large: "fail_channel",
  anchor_too_small: "fail_channel",
  anchor_wrong_on_chain: "fail_channel",
  remote_input_repeated: "fail_channel",
  remote_input_is_ours: "fail_channel",
  remote_input_unspendable: "fail_channel",
  remote_input_unconfirmed: "fail_channel",
  remote_input_immature: "fail_channel",
  remote_input_not_p2wpkh: "fail_channel",
  remote_input_amount: "fail_channel",
  remote_share_too_small: "fail_channel",
  remote_change_script: "fail_channel",
  funding_conflict: "fail_channel",
  funding_txid_mismatch: "fail_channel",
  bad_funding_signature: "fail_channel",
  bad_commitment_signature: "fail_channel",
  bad_close_signature: "fail_channel",
  close_fee_out_of_range: "fail_channel",
  remote_amount_zero: "fail_channel",
  remote_insufficient_balance: "fail_channel",
  remote_too_many_htlcs: "fail_channel",
  remote_dust_exposure: "fail_channel",
  remote_htlc_id: "fail_channel",
  remote_hash_collision: "fail_channel",
  remote_unknown_htlc: "fail_channel",
  remote_htlc_not_cleared: "fail_channel",
  remote_already_removed: "fail_channel",
  remote_wrong_preimage: "fail_channel",
  remote_not_prestaged: "fail_channel",
  remote_removal_requested: "fail_channel",
  /** It accepts what nobody asked for, or what its own request excludes. */
  remote_removal_not_requested: "fail_channel",
  remote_add_while_closing: "fail_channel",
  remote_cannot_pay_fee: "fail_channel",
  empty_commit: "fail_channel",
  wrong_revocation_preimage: "fail_channel",
  revocation_not_derivable: "fail_channel",
  revocation_without_commit: "fail_channel",
  /** It is there, and does not do what it has to. */
  remote_stalled: "fail_channel",
} as const satisfies Record<string, Reaction>;

export type ChannelErrorType = keyof typeof REACTIONS;

/** All of them, for tables that have to be complete. */
export const CHANNEL_ERROR_TYPES = Object.keys(REACTIONS) as ChannelErrorType[];

/** A broken rule, returned and never thrown. Nothing of the step that met it is applied. */
export type ChannelError = {
  readonly type: ChannelErrorType;
  /** The rule it breaks, e.g. `B2-18`. */
  readonly rule: string;
  readonly limit?: bigint | number;
  readonly actual?: bigint | number;
  /** Which message, field or stage, where the type alone does not say it. */
  readonly detail?: string;
};

export function reactionTo(error: ChannelError): Reaction {
  return REACTIONS[error.type];
}

/** The error as one line for people: what, which rule, which numbers. Carries no secret. */
export function describeError(error: ChannelError): string {
  const parts = [`${error.type.replaceAll("_", " ")} [${error.rule}]`];
  if (error.detail !== undefined) parts.push(error.detail);
  if (error.limit !== undefined) parts.push(`limit ${error.limit}`);
  if (error.actual !== undefined) parts.push(`actual ${error.actual}`);
  return parts.join(", ");
}
