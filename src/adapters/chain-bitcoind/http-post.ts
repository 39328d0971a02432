import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { ChainError } from "../../ports/bitcoin-chain.ts";
import type { Clock } from "../../ports/clock.ts";

/** The node answers calls with this many threads by default; more connections would only queue there. */
const MAX_CONNECTIONS = 4;

export type Limits = { readonly timeoutMs: number; readonly maxBytes: number };

export type HttpAnswer = { readonly status: number; readonly text: string };

export type HttpPoster = {
  /** Sends one request and reads its whole answer. Throws ChainError `unreachable`, or `bad_response` if too long. */
  post(body: string, credentials: string, limits: Limits): Promise<HttpAnswer>;
  close(): void;
};

/** Posts JSON to one URL over a few connections that stay open. The URL appears in errors, the credentials do not. */
export function httpPoster(url: URL, clock: Clock): HttpPoster {
  const secure = url.protocol === "https:";
  const request = secure ? requestHttps : requestHttp;
  const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  let closed = false;

  /** One attempt. Answers "stale" where a kept connection turned out to be closed by the other side. */
  function attempt(body: string, credentials: string, limits: Limits): Promise<HttpAnswer | "stale"> {
    return new Promise((resolve, reject) => {
      if (closed) {
        reject(new ChainError("unreachable", `the connection to ${url.href} was closed on our side`));
        return;
      }
      const call = request(url, {
        method: "POST",
        agent,
        auth: credentials,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      });
      const stop = (error: ChainError): void => {
        cancelTimeout();
        reject(error);
        call.destroy();
      };
      const cancelTimeout = clock.after(limits.timeoutMs, () =>
        stop(new ChainError("unreachable", `${url.href} gave no answer within ${limits.timeoutMs} ms`)),
      );
      call.on("error", (cause: NodeJS.ErrnoException) => {
        const lost = cause.code === "ECONNRESET" || cause.code === "EPIPE";
        if (!closed && lost && call.reusedSocket) {
          cancelTimeout();
          resolve("stale");
        } else
          stop(new ChainError("unreachable", `cannot reach ${url.href}: ${cause.code ?? cause.message}`, { cause }));
      });
      call.on("response", (response) => {
        readAll(response, limits.maxBytes).then((text) => {
          cancelTimeout();
          resolve({ status: response.statusCode ?? 0, text });
        }, stop);
      });
      call.end(body);
    });
  }

  function readAll(response: IncomingMessage, maxBytes: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxBytes) {
          reject(new ChainError("bad_response", `${url.href} sent an answer longer than ${maxBytes} bytes`));
        } else chunks.push(chunk);
      });
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
      response.on("error", (cause) =>
        reject(new ChainError("unreachable", `${url.href} broke off its answer`, { cause })),
      );
    });
  }

  return {
    async post(body, credentials, limits) {
      // Each stale connection is gone after its attempt, and every call may be repeated: so this ends, and harms nothing.
      for (;;) {
        const answer = await attempt(body, credentials, limits);
        if (answer !== "stale") return answer;
      }
    },
    close() {
      closed = true;
      agent.destroy();
    },
  };
}
