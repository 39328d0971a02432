import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../ports/clock.ts";
import { type Chain, displayHash } from "./chain.ts";
import { rpcMethods } from "./rpc-methods.ts";
import { encodeJson, integerAt, type Params, RPC_CODE, RpcError, type RpcValue } from "./rpc-values.ts";

export type ChainServerOptions = {
  readonly chain: Chain;
  /** For calls that wait; need not be the chain's own. */
  readonly clock: Pick<Clock, "after">;
  readonly user: string;
  readonly password: string;
  /** 0 takes one that is free. */
  readonly port: number;
};

export type ChainServer = {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Ends waiting calls, connections and the listening. */
  close(): Promise<void>;
};

/** A transaction of the largest weight in hexadecimal, and what stands around it. */
const MAX_REQUEST_BYTES = 9_000_000;
const MAX_BATCH = 1000;
const MAX_WAIT_MS = 60_000;
const MAX_WAITING_CALLS = 100;

type Reply = { readonly [name: string]: RpcValue };

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Whether the header carries `user:password`, in time that doesn't depend on where it differs. */
function authorized(header: string | undefined, expected: Buffer): boolean {
  const [scheme = "", encoded = ""] = (header ?? "").split(" ");
  const given = digest(Buffer.from(encoded, "base64").toString("utf8"));
  return timingSafeEqual(given, expected) && scheme.toLowerCase() === "basic";
}

/** `waitfornewblock timeoutMs`: the tip as soon as it changes, else when the time is over. At most a minute. */
function tipWaiter({ chain, clock }: ChainServerOptions): { wait(params: Params): Promise<RpcValue>; end(): void } {
  const waiting = new Set<() => void>();
  return {
    async wait(params) {
      const asked = integerAt(params, 0, 0);
      if (asked < 0) throw new RpcError(RPC_CODE.misc, "Negative timeout");
      if (waiting.size >= MAX_WAITING_CALLS) throw new RpcError(RPC_CODE.misc, "too many calls are waiting");
      await new Promise<void>((resolve) => {
        const done = (): void => {
          waiting.delete(done);
          unsubscribe();
          cancel();
          resolve();
        };
        const unsubscribe = chain.subscribe((event) => {
          if (event.type === "tip") done();
        });
        const cancel = clock.after(asked === 0 ? MAX_WAIT_MS : Math.min(asked, MAX_WAIT_MS), done);
        waiting.add(done);
      });
      return { hash: displayHash(chain.tip.hash), height: chain.tip.height };
    },
    end() {
      for (const done of [...waiting]) done();
    },
  };
}

type Call = (method: string, params: Params) => Promise<RpcValue>;

function idOf(request: object): RpcValue {
  const id = "id" in request ? request.id : null;
  return typeof id === "string" || typeof id === "number" ? id : null;
}

/** One answer in the form of its request: version 2.0 leaves out what version 1 sets to null. */
async function answer(request: unknown, call: Call): Promise<{ reply: Reply; code: number }> {
  const object = typeof request === "object" && request !== null ? request : {};
  const version2 = "jsonrpc" in object && object.jsonrpc === "2.0";
  const head: Reply = version2 ? { jsonrpc: "2.0" } : {};
  try {
    const params = "params" in object ? (object.params ?? []) : [];
    if (!("method" in object) || typeof object.method !== "string" || !Array.isArray(params)) {
      throw new RpcError(RPC_CODE.invalidRequest, "a request has a method and a list of params");
    }
    const result = await call(object.method, params);
    return { reply: { ...head, result, error: version2 ? undefined : null, id: idOf(object) }, code: 0 };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const { code, message } = error;
    return {
      reply: { ...head, result: version2 ? undefined : null, error: { code, message }, id: idOf(object) },
      code: version2 ? 0 : code,
    };
  }
}

/** The status that Core gives to a failed single request. */
function httpStatus(code: number): number {
  if (code === 0) return 200;
  if (code === RPC_CODE.methodNotFound) return 404;
  return code === RPC_CODE.invalidRequest ? 400 : 500;
}

async function respond(text: string, call: Call): Promise<{ status: number; body: string }> {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    const error = { code: RPC_CODE.parse, message: "Parse error" };
    return { status: 500, body: encodeJson({ result: null, error, id: null }) };
  }
  if (!Array.isArray(request)) {
    const { reply, code } = await answer(request, call);
    return { status: httpStatus(code), body: encodeJson(reply) };
  }
  if (request.length > MAX_BATCH) {
    const error = { code: RPC_CODE.invalidRequest, message: `at most ${MAX_BATCH} calls go into a batch` };
    return { status: 400, body: encodeJson({ result: null, error, id: null }) };
  }
  const replies: Reply[] = [];
  for (const one of request) replies.push((await answer(one, call)).reply);
  return { status: 200, body: encodeJson(replies) };
}

// Loaded by those who serve a chain only: it would be a third of what a node's program takes to load.
async function httpServer(call: Call, expected: Buffer): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const app = fastify({ logger: false, bodyLimit: MAX_REQUEST_BYTES, forceCloseConnections: true });
  app.addHook("onRequest", async (request, reply) => {
    if (authorized(request.headers.authorization, expected)) return;
    await reply.code(401).header("www-authenticate", 'Basic realm="jsonrpc"').send();
  });
  // Callers of Bitcoin Core name all sorts of content types, or none.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  app.post("/", async (request, reply) => {
    const { status, body } = await respond(typeof request.body === "string" ? request.body : "", call);
    return reply.code(status).type("application/json").send(body);
  });
  return app;
}

/**
 * Serves a chain to the other processes of this machine, and to no other machine, as the part of Bitcoin Core's JSON-RPC that
 * a node needs: its methods, error codes and reject reasons. Who has the password can mine and reorganise. Fails with the
 * system's error where the port is taken.
 */
export async function serveChain(options: ChainServerOptions): Promise<ChainServer> {
  const methods = rpcMethods(options.chain);
  const waiter = tipWaiter(options);
  const call: Call = async (name, params) => {
    if (name === "waitfornewblock") return waiter.wait(params);
    const method = methods.get(name);
    if (method === undefined) throw new RpcError(RPC_CODE.methodNotFound, "Method not found");
    return method(params);
  };
  const app = await httpServer(call, digest(`${options.user}:${options.password}`));
  const url = await app.listen({ host: "127.0.0.1", port: options.port });
  return {
    url,
    async close() {
      waiter.end();
      await app.close();
    },
  };
}
