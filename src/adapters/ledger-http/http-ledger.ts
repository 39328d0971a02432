import { toHex } from "../../core/base/index.ts";
import {
  accountJson,
  channelJson,
  contractRowsJson,
  descriptionJson,
  entryJson,
  type JsonCodec,
  type LedgerDescription,
  readJson,
  statusJson,
  submitResultJson,
  tipJson,
} from "../../core/contract-channel/index.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Ledger, LedgerError } from "../../ports/ledger.ts";
import { httpRequester } from "./http-request.ts";
import { tipWatch } from "./tip-watch.ts";

export type HttpLedgerOptions = {
  /** Where `sluice ledger serve` listens: `http://127.0.0.1:9746`. */
  readonly url: string;
  readonly clock: Pick<Clock, "after">;
  readonly requestTimeoutMs?: number;
};

const REQUEST_TIMEOUT_MS = 30_000;
/** How long the ledger holds a request for the next block. The request itself may take longer by its own timeout. */
const WAIT_MS = 25_000;

/** A ledger that another process of this machine serves. Keeps no state: every answer is the server's. */
export function httpLedger({ url, clock, requestTimeoutMs = REQUEST_TIMEOUT_MS }: HttpLedgerOptions): Ledger {
  const requester = httpRequester(new URL(url), clock);
  let description: LedgerDescription | undefined;

  function read<T>(codec: JsonCodec<T>, json: unknown): T {
    const found = readJson(codec, json);
    if (!found.ok) throw new LedgerError("bad_response", `${url} did not send ${found.error.what}`);
    return found.value;
  }
  const get = async <T>(codec: JsonCodec<T>, path: string): Promise<T> =>
    read(codec, await requester.ask(path, { timeoutMs: requestTimeoutMs }));
  const fieldIn = (json: unknown, name: string): unknown =>
    typeof json === "object" && json !== null ? (json as { readonly [name: string]: unknown })[name] : undefined;

  const watch = tipWatch(async (known) => {
    const path = known === undefined ? "/v1/tip" : `/v1/wait?hash=${toHex(known.hash)}&timeout_ms=${WAIT_MS}`;
    return read(tipJson, await requester.ask(path, { timeoutMs: WAIT_MS + requestTimeoutMs }));
  }, clock);

  return {
    async describe() {
      description ??= await get(descriptionJson, "/v1/ledger");
      return description;
    },
    tip: () => get(tipJson, "/v1/tip"),
    account: (id) => get(accountJson, `/v1/accounts/${toHex(id)}`),
    async channel(id) {
      const json = await requester.ask(`/v1/channels/${toHex(id)}`, { timeoutMs: requestTimeoutMs });
      const row = fieldIn(json, "channel");
      return row === null ? undefined : read(channelJson, row);
    },
    contract(channel, { leafHash, contractId, slot }) {
      const query = `leaf_hash=${toHex(leafHash)}&contract_id=${toHex(contractId)}&slot=${slot}`;
      return get(contractRowsJson, `/v1/channels/${toHex(channel)}/contract?${query}`);
    },
    async submit(transaction) {
      const body = JSON.stringify({ transaction: toHex(transaction) });
      return read(submitResultJson, await requester.ask("/v1/transactions", { body, timeoutMs: requestTimeoutMs }));
    },
    transaction: (id) => get(statusJson, `/v1/transactions/${toHex(id)}`),
    async log({ after, channelId, limit }) {
      const of = channelId === undefined ? "" : `&channel_id=${toHex(channelId)}`;
      const json = await requester.ask(`/v1/log?after=${after}&limit=${limit}${of}`, { timeoutMs: requestTimeoutMs });
      const entries = fieldIn(json, "entries");
      if (!Array.isArray(entries)) throw new LedgerError("bad_response", `${url} did not send a list of entries`);
      return entries.map((entry: unknown) => read(entryJson, entry));
    },
    subscribe: (listener) => watch.subscribe(listener),
    async close() {
      watch.close();
      requester.close();
    },
  };
}
