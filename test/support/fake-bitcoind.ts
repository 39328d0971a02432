import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { Clock } from "../../src/ports/clock.ts";
import { type VirtualClock, virtualClock } from "../../src/testing/index.ts";

/** What the fake node does with a call: a result, a refusal with bitcoind's code, or anything else it may write. */
export type FakeAnswer =
  | { readonly type: "result"; readonly value: unknown }
  | { readonly type: "refusal"; readonly code: number; readonly message: string }
  | { readonly type: "http"; readonly status: number; readonly body: string }
  | { readonly type: "raw"; readonly write: (response: ServerResponse) => void }
  | { readonly type: "silence" };

export type FakeCall = { readonly method: string; readonly params: readonly unknown[]; readonly authorization: string };

export type FakeBitcoind = {
  readonly url: string;
  readonly calls: FakeCall[];
  /** How many HTTP requests came: a batch is one. */
  requests(): number;
  /** How many connections were opened until now. */
  connections(): number;
  /** Ends all connections, at work or kept. */
  disconnect(): void;
  close(): Promise<void>;
};

export const result = (value: unknown): FakeAnswer => ({ type: "result", value });
export const refusal = (code: number, message: string): FakeAnswer => ({ type: "refusal", code, message });

type Request = { readonly id: unknown; readonly method: string; readonly params: readonly unknown[] };

/** Answers JSON-RPC calls by a function of the test. A batch is answered call by call, the last one first. */
export async function fakeBitcoind(answer: (call: FakeCall) => FakeAnswer): Promise<FakeBitcoind> {
  const calls: FakeCall[] = [];
  let connections = 0;
  let requests = 0;

  function respond(text: string, authorization: string, response: ServerResponse): void {
    const body = JSON.parse(text) as Request | Request[];
    const outcomes: unknown[] = [];
    let status = 200;
    for (const { id, method, params } of Array.isArray(body) ? body : [body]) {
      const call = { method, params, authorization };
      calls.push(call);
      const given = answer(call);
      if (given.type === "silence") return;
      if (given.type === "http") {
        response.writeHead(given.status).end(given.body);
        return;
      }
      if (given.type === "raw") {
        given.write(response);
        return;
      }
      if (given.type === "result") outcomes.push({ result: given.value, error: null, id });
      else {
        status = Array.isArray(body) ? 200 : 500;
        outcomes.push({ result: null, error: { code: given.code, message: given.message }, id });
      }
    }
    response.writeHead(status).end(JSON.stringify(Array.isArray(body) ? outcomes.reverse() : outcomes[0]));
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests += 1;
      respond(Buffer.concat(chunks).toString(), request.headers.authorization ?? "", response);
    });
  }).listen(0, "127.0.0.1");
  server.on("connection", () => {
    connections += 1;
  });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    calls,
    requests: () => requests,
    connections: () => connections,
    disconnect: () => server.closeAllConnections(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export type WatchedClock = VirtualClock & {
  /** Resolves once a timer of exactly `ms` waits, that real I/O leads to; at once if one already does. */
  armed(ms: number): Promise<void>;
  /** The lengths of the timers that wait. */
  waiting(): number[];
};

/** A virtual clock for code between which and the test real sockets lie: the test waits until a timer was set. */
export function watchedClock(): WatchedClock {
  const clock = virtualClock();
  const waiting = new Set<{ readonly ms: number }>();
  let wake = (): void => {};
  const after: Clock["after"] = (ms, action) => {
    const timer = { ms };
    waiting.add(timer);
    wake();
    const cancel = clock.after(ms, () => {
      waiting.delete(timer);
      action();
    });
    return () => {
      waiting.delete(timer);
      cancel();
    };
  };
  return {
    ...clock,
    after,
    waiting: () => [...waiting].map((timer) => timer.ms),
    async armed(ms) {
      while (![...waiting].some((timer) => timer.ms === ms)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
