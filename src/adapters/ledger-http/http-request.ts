import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import type { Clock } from "../../ports/clock.ts";
import { LedgerError } from "../../ports/ledger.ts";

/** The longest answer is a page of the log, whose last entry may be as long as a transaction. */
const MAX_ANSWER_BYTES = 16 << 20;
const MAX_CONNECTIONS = 8;

/** Says in every answer which ledger it is of. */
const LEDGER_HEADER = "sluice-ledger";

type Answer = { readonly status: number; readonly text: string; readonly ledger: string };

export type HttpRequester = {
  /** Asks for a path, or posts JSON to it. Throws LedgerError `unreachable`, `bad_response` or `other_ledger`. */
  ask(path: string, options: { readonly body?: string; readonly timeoutMs: number }): Promise<unknown>;
  close(): void;
};

/** JSON requests to one URL, over a few connections that stay open. */
export function httpRequester(base: URL, clock: Pick<Clock, "after">): HttpRequester {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  let isOpen = true;
  let ledger: string | undefined;
  const bad = (what: string): LedgerError => new LedgerError("bad_response", `${base.href} ${what}`);

  /** A server that was started on other data is another ledger, and nothing that is known of the first holds there. */
  function checkLedger(named: string): void {
    if (!/^[0-9a-f]{64}$/.test(named)) throw bad("does not say which ledger it is of");
    ledger ??= named;
    if (ledger !== named)
      throw new LedgerError("other_ledger", `${base.href} serves the ledger ${named} now, not ${ledger}`);
  }

  function parse(status: number, text: string): unknown {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw bad(`sent what is not JSON (status ${status})`);
    }
    if (status === 200) return json;
    const error = typeof json === "object" && json !== null && "error" in json ? json.error : undefined;
    throw bad(`answered with status ${status}${typeof error === "string" ? `: ${error.slice(0, 200)}` : ""}`);
  }

  /** One attempt. Answers "stale" where a kept connection turned out to be closed by the other side. */
  function attempt(path: string, body: string | undefined, timeoutMs: number): Promise<Answer | "stale"> {
    return new Promise((resolve, reject) => {
      if (!isOpen)
        return reject(new LedgerError("unreachable", `the connection to ${base.href} was closed on our side`));
      const headers =
        body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const call = requestHttp(new URL(path, base), { method: body === undefined ? "GET" : "POST", agent, headers });
      const stop = (error: LedgerError): void => {
        cancel();
        reject(error);
        call.destroy();
      };
      const cancel = clock.after(timeoutMs, () =>
        stop(new LedgerError("unreachable", `${base.href} gave no answer within ${timeoutMs} ms`)),
      );
      call.on("error", (cause: NodeJS.ErrnoException) => {
        if (isOpen && call.reusedSocket && (cause.code === "ECONNRESET" || cause.code === "EPIPE")) {
          cancel();
          resolve("stale");
        } else
          stop(new LedgerError("unreachable", `cannot reach ${base.href}: ${cause.code ?? cause.message}`, { cause }));
      });
      call.on("response", (response) => {
        readAll(response).then((text) => {
          cancel();
          resolve({ status: response.statusCode ?? 0, text, ledger: String(response.headers[LEDGER_HEADER] ?? "") });
        }, stop);
      });
      call.end(body);
    });
  }

  function readAll(response: IncomingMessage): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) reject(bad(`sent an answer longer than ${MAX_ANSWER_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
      response.on("error", (cause) =>
        reject(new LedgerError("unreachable", `${base.href} broke off its answer`, { cause })),
      );
    });
  }

  return {
    async ask(path, { body, timeoutMs }) {
      // Each stale connection is gone after its attempt, and every request may be repeated: so this ends, and harms nothing.
      for (;;) {
        const answer = await attempt(path, body, timeoutMs);
        if (answer === "stale") continue;
        checkLedger(answer.ledger);
        return parse(answer.status, answer.text);
      }
    },
    close() {
      isOpen = false;
      agent.destroy();
    },
  };
}
