import { assertNever, invariant } from "../../core/base/index.ts";
import type { ChannelChange, CommitmentRow, HtlcRow, TotalsRow } from "../../core/payment-channel/index.ts";
import { booleanToSql, readText, sideToSql, uint64ToSql } from "./columns.ts";
import type { SqlEngine } from "./engine.ts";
import { onChainWriter } from "./on-chain.ts";
import { insert, upsert } from "./statements.ts";

type OfType<T extends ChannelChange["type"]> = Extract<ChannelChange, { type: T }>;
type WrittenOnce = "created" | "named" | "terms" | "stage" | "funding" | "clearing" | "close_offer";

/** Prepares what writes one change of a channel. */
export function channelWriter(engine: SqlEngine): (channel: number, change: ChannelChange) => void {
  const writeHtlc = htlcWriter(engine);
  const writeRequest = requestWriter(engine);
  const writeCommitment = commitmentWriter(engine);
  const writeTotals = totalsWriter(engine);
  const writeLife = lifeWriter(engine);
  const writeDual = dualWriter(engine);
  const writeOnChain = onChainWriter(engine);
  const addFee = insert(engine, "fee", "channel owner number fee_rate");
  const setSlot = upsert(engine, "revocation_slot", "channel slot", "chain_index preimage");
  const setHash = upsert(engine, "revocation_hash", "channel number", "hash");

  return (channel, change) => {
    switch (change.type) {
      case "htlc_added":
      case "htlc_removed":
        writeHtlc(channel, change);
        return;
      case "htlc_accepted":
      case "removal_requested":
        writeRequest(channel, change);
        return;
      case "commitment":
        writeCommitment(channel, change.row);
        return;
      case "totals":
        writeTotals(channel, change.row);
        return;
      case "fee":
        addFee.run(channel, sideToSql(change.row.owner), change.row.number, change.row.feeRate);
        return;
      case "revoked":
        setSlot.run(channel, change.slot.slot, uint64ToSql(change.slot.index), change.slot.preimage);
        return;
      case "revocation_hash":
        setHash.run(channel, change.row.number, change.row.hash);
        return;
      case "dual_funding":
      case "funding_share":
        writeDual(channel, change);
        return;
      case "anchor_spend":
      case "chain_output":
      case "sweep":
      case "sweep_dropped":
      case "known_preimage":
      case "known_preimage_dropped":
        writeOnChain(channel, change);
        return;
      case "own_revocation_hash":
      case "acknowledged":
        return;
      default:
        writeLife(channel, change);
    }
  };
}

/** Prepares what removes all rows of a channel, from every table that refers to it. */
export function channelRemover(engine: SqlEngine): (channel: number) => void {
  const referring = engine.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%REFERENCES channel%'",
  );
  const tables = [...referring.all().map((row) => readText(row, "name")), "channel"];
  const removals = tables.map((table) => engine.prepare(`DELETE FROM ${table} WHERE channel = ?`));
  return (channel) => {
    for (const removal of removals) removal.run(channel);
  };
}

/** One insert and one update in the life of an HTLC. */
function htlcWriter(engine: SqlEngine) {
  const add = insert(engine, "htlc", "channel id offerer amount_msat expiry add_number lock route request_number");
  const removal = (column: "lock" | "fail_reason") =>
    engine.prepare(
      `UPDATE htlc SET removed_by = ?, remove_number = ?, ${column} = ?
       WHERE channel = ? AND id = ? AND remove_number IS NULL`,
    );
  const [setFulfilled, setFailed] = [removal("lock"), removal("fail_reason")];
  const addRow = (channel: number, row: HtlcRow): void => {
    invariant(row.removal === undefined, `HTLC ${row.id} is added before it is removed`);
    const { id, offerer, amountMsat, expiry, addNumber, paymentHash, route } = row;
    const request = row.requestNumber || null;
    add.run(channel, uint64ToSql(id), sideToSql(offerer), amountMsat, expiry, addNumber, paymentHash, route, request);
  };
  return (channel: number, change: OfType<"htlc_added" | "htlc_removed">): void => {
    if (change.type === "htlc_added") {
      addRow(channel, change.row);
      return;
    }
    const { id, removal, removedBy, removeNumber } = change;
    const staged = [sideToSql(removedBy), removeNumber];
    const where = [channel, uint64ToSql(id)];
    const { changes } =
      removal.type === "fulfilled"
        ? setFulfilled.run(...staged, removal.preimage, ...where)
        : setFailed.run(...staged, removal.reason, ...where);
    invariant(changes === 1, `HTLC ${id} of channel ${channel} is there and removed once`);
  };
}

/** What happens between the add and the removal of an HTLC where both are requested first. */
function requestWriter(engine: SqlEngine) {
  const accept = engine.prepare(
    `UPDATE htlc SET add_number = ? WHERE channel = ? AND id = ? AND add_number = 0 AND removed_by IS NULL`,
  );
  const request = engine.prepare(
    `INSERT OR REPLACE INTO removal_request (channel, id, side, number, preimage, fail_reason)
     SELECT channel, id, ?, ?, ?, ? FROM htlc WHERE channel = ? AND id = ? AND removed_by IS NULL`,
  );
  return (channel: number, change: OfType<"htlc_accepted" | "removal_requested">): void => {
    if (change.type === "htlc_accepted") {
      const { changes } = accept.run(change.addNumber, channel, uint64ToSql(change.id));
      invariant(changes === 1, `HTLC ${change.id} of channel ${channel} is requested, and accepted once`);
      return;
    }
    const { id, by, number, removal } = change.row;
    const preimage = removal.type === "fulfilled" ? removal.preimage : null;
    const reason = removal.type === "failed" ? removal.reason : null;
    const { changes } = request.run(sideToSql(by), number, preimage, reason, channel, uint64ToSql(id));
    invariant(changes === 1, `HTLC ${id} of channel ${channel} is there, and not removed`);
  };
}

/** Never overwritten: the old ones are what a revoked commitment is recognised and punished by. */
function commitmentWriter(engine: SqlEngine) {
  const add = insert(
    engine,
    "commitment",
    "channel holder number covers_local covers_remote fee_rate revocation_hash signature local_msat remote_msat htlcs",
  );
  const useHashes = engine.prepare("DELETE FROM revocation_hash WHERE channel = ? AND number <= ?");
  return (channel: number, row: CommitmentRow): void => {
    const { holder, number, coverage, feeRate, revocationHash, signature } = row;
    const covers = [coverage.local, coverage.remote];
    const holds = [row.localMsat, row.remoteMsat, row.htlcs];
    add.run(channel, sideToSql(holder), number, ...covers, feeRate, revocationHash, signature ?? null, ...holds);
    if (holder === "remote") useHashes.run(channel, number);
  };
}

function totalsWriter(engine: SqlEngine) {
  const set = upsert(
    engine,
    "totals",
    "channel",
    "local_msat remote_msat local_last_id remote_last_id local_unrevoked remote_unrevoked settled_local settled_remote",
  );
  // No id yet is NULL: as 64 bits, -1 is the greatest id.
  const lastId = (id: bigint) => (id < 0n ? null : uint64ToSql(id));
  return (channel: number, row: TotalsRow): void => {
    const { localMsat, remoteMsat, localUnrevoked, remoteUnrevoked, settledUpTo } = row;
    const [localLast, remoteLast] = [lastId(row.localLastId), lastId(row.remoteLastId)];
    const { local, remote } = settledUpTo;
    set.run(channel, localMsat, remoteMsat, localLast, remoteLast, localUnrevoked, remoteUnrevoked, local, remote);
  };
}

/** What a channel has besides where both parties fund it. */
function dualWriter(engine: SqlEngine) {
  const setDual = upsert(engine, "dual_funding", "channel", "fee_rate wished_sat least_sat cancellation");
  const setShare = upsert(engine, "funding_share", "channel side", "contribution_sat change_script signed");
  const setInput = upsert(
    engine,
    "funding_input",
    "channel side position",
    "txid output_index amount_sat public_key signature",
  );
  return (channel: number, change: OfType<"dual_funding" | "funding_share">): void => {
    if (change.type === "dual_funding") {
      const { feeRate, wishedSat, leastSat, cancellation } = change.row;
      setDual.run(channel, feeRate, wishedSat, leastSat, cancellation ?? null);
      return;
    }
    const { side, contributionSat, inputs, changeScript, signatures } = change.row;
    const at = sideToSql(side);
    setShare.run(channel, at, contributionSat, changeScript ?? null, booleanToSql(signatures !== undefined));
    for (const [position, { txid, index, amountSat, publicKey }] of inputs.entries()) {
      setInput.run(channel, at, position, txid, index, amountSat, publicKey, signatures?.[position] ?? null);
    }
  };
}

/** What happens a few times in the life of a channel. */
function lifeWriter(engine: SqlEngine) {
  const create = insert(
    engine,
    "channel",
    "channel id temporary_id peer initiator planned_amount_sat push_msat prestage created_at created_height",
  );
  const name = engine.prepare("UPDATE channel SET id = ? WHERE channel = ?");
  const setTerms = upsert(
    engine,
    "terms",
    "channel side",
    "delay min_depth commit_key final_key initial_fee_rate channel_reserve_sat close_script revocation_hashes",
  );
  const setStage = upsert(
    engine,
    "stage",
    "channel",
    "stage open_complete_sent open_complete_received failure error_due frozen stale",
  );
  const setFunding = upsert(
    engine,
    "funding",
    "channel",
    "txid output_index amount_sat raw_transaction confirmed_height conflict_height",
  );
  const setClearing = upsert(engine, "clearing", "channel side", "number acknowledge script");
  const addOffer = insert(engine, "close_offer", "channel ordinal side fee_sat signature");

  return (channel: number, change: OfType<WrittenOnce>): void => {
    switch (change.type) {
      case "created": {
        const { index, temporaryId, peer, initiator, plannedAmountSat, pushMsat, createdAt } = change.row;
        const prestage = booleanToSql(change.row.prestage);
        invariant(index === channel, "a channel is created under its own index");
        const made = [createdAt, change.row.createdHeight];
        const side = sideToSql(initiator);
        const planned = plannedAmountSat ?? null;
        create.run(channel, change.id, temporaryId, peer, side, planned, pushMsat, prestage, ...made);
        return;
      }
      case "named":
        invariant(name.run(change.id, channel).changes === 1, `channel ${channel} is created before it is named`);
        return;
      case "terms": {
        const { side, delay, minDepth, commitKey, finalKey, initialFeeRate, revocationHashes } = change.row;
        const [reserve, script] = [change.row.channelReserveSat ?? null, change.row.closeScript ?? null];
        const keys = [commitKey, finalKey];
        setTerms.run(
          channel,
          sideToSql(side),
          delay,
          minDepth,
          ...keys,
          initialFeeRate,
          reserve,
          script,
          revocationHashes,
        );
        return;
      }
      case "stage": {
        const { stage, openCompleteSent, openCompleteReceived, failure, errorDue, frozen, stale } = change.row;
        const [sent, received] = [booleanToSql(openCompleteSent), booleanToSql(openCompleteReceived)];
        const why = [failure ?? null, booleanToSql(errorDue), frozen ?? null, booleanToSql(stale)];
        setStage.run(channel, stage, sent, received, ...why);
        return;
      }
      case "funding": {
        const { txid, outputIndex, amountSat, transaction, confirmedHeight, conflictHeight } = change.row;
        const heights = [confirmedHeight ?? null, conflictHeight ?? null];
        setFunding.run(channel, txid, outputIndex, amountSat, transaction ?? null, ...heights);
        return;
      }
      case "clearing": {
        const { side, number, acknowledge, script } = change.row;
        setClearing.run(channel, sideToSql(side), number, acknowledge, script);
        return;
      }
      case "close_offer": {
        const { ordinal, side, feeSat, signature } = change.row;
        addOffer.run(channel, ordinal, sideToSql(side), feeSat, signature);
        return;
      }
      default:
        assertNever(change);
    }
  };
}
