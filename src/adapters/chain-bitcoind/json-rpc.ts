import { err, ok, type Result } from "../../core/base/index.ts";
import { ChainError } from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";
import { type HttpAnswer, httpPoster, type Limits } from "./http-post.ts";
import { type RpcAuth, rpcCredentials } from "./rpc-auth.ts";

/** The node understood the call and refused it: its own error code and words. */
export type RpcRefusal = { readonly code: number; readonly message: string };

/** Codes of bitcoind's `rpc/protocol.h` that are told apart here. */
export const RPC = {
  invalidParameter: -8,
  deserialization: -22,
  verifyError: -25,
  verifyRejected: -26,
  alreadyInUtxoSet: -27,
  inWarmup: -28,
} as const;

type Params = readonly (string | number | boolean)[];

export type JsonRpc = {
  /** The result of one call, or the node's refusal. Throws ChainError where there is no such answer. */
  call(method: string, params: Params, limits?: Partial<Limits>): Promise<Result<unknown, RpcRefusal>>;
  /** The same call with many parameters in one request: the answers in their order. */
  batch(method: string, params: readonly Params[], limits?: Partial<Limits>): Promise<Result<unknown, RpcRefusal>[]>;
  close(): void;
};

export type JsonRpcOptions = {
  /** `http:` or `https:`, without credentials. */
  readonly url: string;
  readonly auth: RpcAuth;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
};

/** A block has at most 4,000,000 bytes, so 8,000,000 digits; no other answer used here comes near. */
const MAX_ANSWER_BYTES = 9_000_000;

/** A refusal is one line; what a node says beyond this is not worth a place in a log. */
const MAX_REASON = 300;

function readAnswer(value: unknown): { id: unknown; outcome: Result<unknown, RpcRefusal> } | undefined {
  if (typeof value !== "object" || value === null || !("id" in value)) return undefined;
  const error = "error" in value ? value.error : null;
  if (error === null || error === undefined) {
    return "result" in value ? { id: value.id, outcome: ok(value.result) } : undefined;
  }
  if (typeof error !== "object" || !("code" in error) || !("message" in error)) return undefined;
  if (typeof error.code !== "number" || typeof error.message !== "string") return undefined;
  return { id: value.id, outcome: err({ code: error.code, message: error.message.slice(0, MAX_REASON) }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TypeError("the node's url must start with http:// or https://");
  }
  // They would come up in every message that names the url.
  if (url.username !== "" || url.password !== "") throw new TypeError("credentials belong in auth, not in the url");
  return url;
}

/** A client for the JSON-RPC of a Core-compatible node. Throws TypeError for an unusable url. */
export function jsonRpc(options: JsonRpcOptions): JsonRpc {
  const url = parseUrl(options.url);
  const poster = httpPoster(url, options.clock);
  const credentials = rpcCredentials(options.auth);

  async function post(body: unknown, limits: Partial<Limits>): Promise<HttpAnswer> {
    const text = JSON.stringify(body);
    const full = { timeoutMs: options.requestTimeoutMs, maxBytes: MAX_ANSWER_BYTES, ...limits };
    const presented = await credentials(false);
    const answer = await poster.post(text, presented, full);
    if (answer.status !== 401) return answer;
    // A node that restarted has written another cookie.
    const renewed = await credentials(true);
    return renewed === presented ? answer : poster.post(text, renewed, full);
  }

  async function exchange(body: unknown, limits: Partial<Limits>): Promise<unknown> {
    const { status, text } = await post(body, limits);
    if (status === 401) throw new ChainError("unauthorized", `${url.href} does not accept the credentials`);
    if (status === 403) throw new ChainError("unauthorized", `${url.href} does not allow us this call`);
    if (status === 502 || status === 503 || status === 504) {
      throw new ChainError("unreachable", `${url.href} is too busy or away (HTTP status ${status})`);
    }
    const value = parseJson(text);
    if (value === undefined) throw new ChainError("bad_response", `${url.href} sent no JSON (HTTP status ${status})`);
    return value;
  }

  /** Refusals that mean "not yet" concern the node, not the call. */
  function settle(outcome: Result<unknown, RpcRefusal>): Result<unknown, RpcRefusal> {
    if (!outcome.ok && outcome.error.code === RPC.inWarmup) {
      throw new ChainError("node_syncing", `${url.href} is still starting: ${outcome.error.message}`);
    }
    return outcome;
  }

  return {
    async call(method, params, limits = {}) {
      const answer = readAnswer(await exchange({ id: 0, method, params }, limits));
      if (answer === undefined) throw new ChainError("bad_response", `${url.href} sent no answer to ${method}`);
      return settle(answer.outcome);
    },
    async batch(method, params, limits = {}) {
      if (params.length === 0) return [];
      const calls = params.map((one, id) => ({ id, method, params: one }));
      const answers = await exchange(calls, limits);
      const outcomes = new Map<unknown, Result<unknown, RpcRefusal>>();
      for (const one of Array.isArray(answers) ? answers : [answers]) {
        const answer = readAnswer(one);
        if (answer !== undefined) outcomes.set(answer.id, settle(answer.outcome));
      }
      return calls.map(({ id }) => {
        const outcome = outcomes.get(id);
        if (outcome === undefined) throw new ChainError("bad_response", `${url.href} sent no answer to a ${method}`);
        return outcome;
      });
    },
    close: () => poster.close(),
  };
}
