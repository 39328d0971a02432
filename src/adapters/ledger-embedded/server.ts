import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { asChannelId, fromHex, toHex } from "../../core/base/index.ts";
import {
  accountJson,
  channelJson,
  contractRowsJson,
  descriptionJson,
  entryJson,
  type Json,
  MAX_TRANSACTION_BYTES,
  type SubmitResult,
  statusJson,
  submitResultJson,
  tipJson,
} from "../../core/contract-channel/index.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EmbeddedLedger } from "./ledger.ts";

export type LedgerServerOptions = {
  readonly ledger: EmbeddedLedger;
  /** For requests that wait. */
  readonly clock: Pick<Clock, "after">;
  /** 0 takes one that is free. */
  readonly port: number;
  /** Whether anybody on this machine may have blocks made. */
  readonly mining: boolean;
  /** Whether anybody on this machine may have money. */
  readonly faucet: boolean;
};

export type LedgerServer = {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Ends waiting requests, connections and the listening. */
  close(): Promise<void>;
};

/** A transaction of the greatest length in hexadecimal, and what stands around it. */
const MAX_BODY_BYTES = 2 * MAX_TRANSACTION_BYTES + 1024;
/** Every answer says which ledger it is of, by its chain hash: cursors and signatures of one mean nothing to another. */
const LEDGER_HEADER = "sluice-ledger";
const MAX_WAIT_MS = 60_000;
const MAX_WAITING = 200;
const MAX_BLOCKS_AT_ONCE = 1_000;

/** A request that can't be understood: what in it, for its sender. */
class BadRequest extends Error {}

function bytesAt(given: unknown, name: string, length: number): Uint8Array {
  const bytes = typeof given === "string" && given.length === 2 * length ? fromHex(given) : undefined;
  if (bytes === undefined) throw new BadRequest(`${name} has to be ${length} bytes in hexadecimal`);
  return bytes;
}

function wholeAt(given: unknown, name: string, limit: number): number {
  const value =
    typeof given === "number" ? given : typeof given === "string" && /^\d{1,16}$/.test(given) ? Number(given) : -1;
  if (!Number.isSafeInteger(value) || value < 0 || value > limit) {
    throw new BadRequest(`${name} has to be a whole number up to ${limit}`);
  }
  return value;
}

/** What a request gives under a name, or undefined. */
type Given = (name: string) => unknown;

function fieldsOf(value: unknown): Given {
  const fields = new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
  return (name) => fields.get(name);
}

type Asked = { readonly path: Given; readonly query: Given; readonly body: Given };
type Answer = Json | Promise<Json>;

function submission(result: SubmitResult): Json {
  return submitResultJson.to(result);
}

/** `GET /v1/wait?hash=H`: the tip once it is another than H, or when the time is over. At most a minute. */
function tipWaiter({ ledger, clock }: LedgerServerOptions): { wait(asked: Asked): Answer; end(): void } {
  const waiting = new Set<() => void>();
  return {
    async wait({ query }) {
      const known = query("hash");
      const ms = wholeAt(query("timeout_ms") ?? MAX_WAIT_MS, "timeout_ms", MAX_WAIT_MS);
      if (waiting.size >= MAX_WAITING) throw new BadRequest("too many requests are waiting");
      if (known === toHex(ledger.tip().hash)) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            waiting.delete(done);
            unsubscribe();
            cancel();
            resolve();
          };
          const unsubscribe = ledger.subscribe(done);
          const cancel = clock.after(ms, done);
          waiting.add(done);
        });
      }
      return tipJson.to(ledger.tip());
    },
    end() {
      for (const done of [...waiting]) done();
    },
  };
}

type Route = readonly [method: "GET" | "POST", path: string, answer: (asked: Asked) => Answer];

function readRoutes(ledger: EmbeddedLedger): readonly Route[] {
  return [
    ["GET", "/v1/ledger", () => descriptionJson.to(ledger.description)],
    ["GET", "/v1/tip", () => tipJson.to(ledger.tip())],
    [
      "GET",
      "/v1/accounts/:id",
      ({ path }) => accountJson.to(ledger.account(bytesAt(path("id"), "the account's id", 32))),
    ],
    [
      "GET",
      "/v1/channels/:id",
      ({ path }) => {
        const row = ledger.channel(bytesAt(path("id"), "the channel's id", 32));
        return { channel: row === undefined ? null : channelJson.to(row) };
      },
    ],
    [
      "GET",
      "/v1/channels/:id/contract",
      ({ path, query }) =>
        contractRowsJson.to(
          ledger.contract(bytesAt(path("id"), "the channel's id", 32), {
            leafHash: bytesAt(query("leaf_hash"), "leaf_hash", 32),
            contractId: bytesAt(query("contract_id"), "contract_id", 32),
            slot: wholeAt(query("slot"), "slot", 4095),
          }),
        ),
    ],
    [
      "GET",
      "/v1/transactions/:id",
      ({ path }) => statusJson.to(ledger.transaction(bytesAt(path("id"), "the transaction's id", 32))),
    ],
    [
      "GET",
      "/v1/log",
      ({ query }) => {
        const channel = query("channel_id");
        const channelId = channel === undefined ? undefined : asChannelId(bytesAt(channel, "channel_id", 32));
        const after = wholeAt(query("after") ?? 0, "after", Number.MAX_SAFE_INTEGER);
        const limit = wholeAt(query("limit") ?? 100, "limit", 1_000);
        return { entries: ledger.log({ after, channelId, limit }).map((entry) => entryJson.to(entry)) };
      },
    ],
  ];
}

function writeRoutes({ ledger, mining, faucet }: LedgerServerOptions): readonly Route[] {
  const routes: Route[] = [
    [
      "POST",
      "/v1/transactions",
      ({ body }) => {
        const text = body("transaction");
        const bytes = typeof text === "string" ? fromHex(text) : undefined;
        if (bytes === undefined) throw new BadRequest("transaction has to be hexadecimal");
        return submission(ledger.submit(bytes));
      },
    ],
  ];
  if (mining) {
    routes.push([
      "POST",
      "/v1/blocks",
      ({ body }) => tipJson.to(ledger.mine(wholeAt(body("count") ?? 1, "count", MAX_BLOCKS_AT_ONCE))),
    ]);
  }
  if (faucet) {
    routes.push([
      "POST",
      "/v1/faucet",
      ({ body }) => {
        const given = body("amount");
        const amount = typeof given === "string" && /^\d{1,19}$/.test(given) ? BigInt(given) : undefined;
        if (amount === undefined) throw new BadRequest("amount has to be a whole number as text");
        return submission(ledger.faucet(bytesAt(body("account"), "account", 32), amount));
      },
    ]);
  }
  return routes;
}

function isOwnName(host: string | undefined): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? "");
}

async function respond(answer: Route[2], request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { params, query, body, method } = request;
  try {
    if (method === "POST" && (typeof body !== "object" || body === null)) throw new BadRequest("send a JSON object");
    return await answer({ path: fieldsOf(params), query: fieldsOf(query), body: fieldsOf(body) });
  } catch (cause) {
    if (!(cause instanceof BadRequest)) throw cause;
    return reply.code(400).send({ error: cause.message });
  }
}

// Loaded by those who serve a ledger only: it would be a third of what a node's program takes to load.
async function httpServer(routes: readonly Route[], name: string): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const app = fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true });
  // What a page of another origin may send without asking first, and what it may send under a name of its own that leads here.
  app.removeContentTypeParser("text/plain");
  app.addHook("onRequest", async (request, reply) => {
    reply.header(LEDGER_HEADER, name);
    if (!isOwnName(request.headers.host)) await reply.code(403).send({ error: "ask for 127.0.0.1 or localhost" });
  });
  for (const [method, url, answer] of routes) {
    app.route({ method, url, handler: (request, reply) => respond(answer, request, reply) });
  }
  return app;
}

/**
 * Serves a ledger to the other processes of this machine, and to no other machine. Reading and submitting need no password: what is submitted is
 * signed. Bodies are JSON, which keeps pages of other origins out. Fails with the system's error where the port is taken.
 */
export async function serveLedger(options: LedgerServerOptions): Promise<LedgerServer> {
  const waiter = tipWaiter(options);
  const wait: Route = ["GET", "/v1/wait", waiter.wait];
  const name = toHex(options.ledger.description.terms.domain.chainHash);
  const app = await httpServer([...readRoutes(options.ledger), wait, ...writeRoutes(options)], name);
  const url = await app.listen({ host: "127.0.0.1", port: options.port });
  return {
    url,
    async close() {
      waiter.end();
      await app.close();
    },
  };
}
