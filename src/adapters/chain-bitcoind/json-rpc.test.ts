import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FakeAnswer,
  type FakeBitcoind,
  type FakeCall,
  fakeBitcoind,
  refusal,
  result,
  type WatchedClock,
  watchedClock,
} from "../../../test/support/fake-bitcoind.ts";
import { type JsonRpc, type JsonRpcOptions, jsonRpc } from "./json-rpc.ts";
import type { RpcAuth } from "./rpc-auth.ts";

const SECRET = "a-very-secret-word";
const PASSWORD: RpcAuth = { type: "password", user: "alice", password: SECRET };

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
const http = (status: number, body: string): FakeAnswer => ({ type: "http", status, body });

describe("the JSON-RPC client", () => {
  let answer: (call: FakeCall) => FakeAnswer;
  let node: FakeBitcoind;
  let clock: WatchedClock;
  let clients: JsonRpc[];

  beforeEach(async () => {
    answer = () => result(1);
    node = await fakeBitcoind((call) => answer(call));
    clock = watchedClock();
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await node.close();
  });

  function client(more: Partial<JsonRpcOptions> = {}): JsonRpc {
    const rpc = jsonRpc({ url: node.url, auth: PASSWORD, clock, requestTimeoutMs: 5000, ...more });
    clients.push(rpc);
    return rpc;
  }

  async function failure(promise: Promise<unknown>): Promise<unknown> {
    const thrown = await promise.then(
      (value) => {
        throw new Error(`no failure, but ${JSON.stringify(value)}`);
      },
      (error: unknown) => error,
    );
    expect(`${String(thrown)} ${JSON.stringify(thrown)}`).not.toContain(SECRET);
    return thrown;
  }

  describe("a call", () => {
    it("gives the result, and sends method, parameters and credentials", async () => {
      answer = () => result({ a: [1, null] });
      expect(await client().call("method", ["x", 1, true])).toEqual({ ok: true, value: { a: [1, null] } });
      expect(node.calls).toEqual([
        { method: "method", params: ["x", 1, true], authorization: basic(`alice:${SECRET}`) },
      ]);
    });

    it("gives a result of null", async () => {
      answer = () => result(null);
      expect(await client().call("method", [])).toEqual({ ok: true, value: null });
    });

    it("gives a refusal as the node words it, within bounds", async () => {
      answer = () => refusal(-26, "x".repeat(10_000));
      const error = { code: -26, message: "x".repeat(300) };
      expect(await client().call("method", [])).toEqual({ ok: false, error });
    });

    it("takes an answer in the manner of JSON-RPC 2.0", async () => {
      answer = () => http(200, '{"jsonrpc":"2.0","id":0,"result":5}');
      expect(await client().call("method", [])).toEqual({ ok: true, value: 5 });
      answer = () => http(200, '{"jsonrpc":"2.0","id":0,"error":{"code":-5,"message":"no"}}');
      expect(await client().call("method", [])).toEqual({ ok: false, error: { code: -5, message: "no" } });
    });

    it("uses one connection for calls that follow each other, and few for many at once", async () => {
      const rpc = client();
      for (let i = 0; i < 5; i++) await rpc.call("method", []);
      expect(node.connections()).toBe(1);
      await Promise.all(Array.from({ length: 40 }, () => rpc.call("method", [])));
      expect(node.connections()).toBeLessThanOrEqual(4);
    });

    it("is made again on a new connection when the kept one has been closed by the node", async () => {
      const rpc = client();
      await rpc.call("method", []);
      node.disconnect();
      expect((await rpc.call("method", [])).ok).toBe(true);
    });

    it("leaves no timer behind", async () => {
      const rpc = client();
      await rpc.call("method", []);
      answer = () => http(200, "{");
      await failure(rpc.call("method", []));
      answer = () => ({ type: "raw", write: (response) => response.destroy() });
      await failure(rpc.call("method", []));
      expect(clock.waiting()).toEqual([]);
    });
  });

  describe("a batch", () => {
    it("gives the answers in the order of the calls, refusals among them, from one request", async () => {
      answer = ({ params }) => (params[0] === 2 ? refusal(-5, "no") : result(params[0]));
      const answers = await client().batch("method", [[1], [2], [3]]);
      expect(answers.map((one) => (one.ok ? one.value : one.error.code))).toEqual([1, -5, 3]);
      expect(node.requests()).toBe(1);
    });

    it("of nothing asks nothing", async () => {
      expect(await client().batch("method", [])).toEqual([]);
      expect(node.calls).toEqual([]);
    });

    it("fails where an answer is missing, or is no list", async () => {
      for (const body of ['[{"id":0,"result":1,"error":null}]', "{}", "7", "[]", "[null, 3]"]) {
        answer = () => http(200, body);
        expect(await failure(client().batch("method", [[1], [2]]))).toMatchObject({ code: "bad_response" });
      }
    });
  });

  describe("a failure", () => {
    it("is unreachable, with the url, where nobody listens", async () => {
      const rpc = client();
      await node.close();
      const error = await failure(rpc.call("method", []));
      expect(error).toMatchObject({ name: "ChainError", code: "unreachable", retryable: true });
      expect(String(error)).toContain(node.url);
      expect(String(error)).toContain("ECONNREFUSED");
      node = await fakeBitcoind((call) => answer(call));
    });

    it("is unreachable where the node does not answer in time", async () => {
      let asked = (): void => {};
      const heard = new Promise<void>((resolve) => {
        asked = resolve;
      });
      answer = () => {
        asked();
        return { type: "silence" };
      };
      let settled = false;
      const call = failure(client().call("method", [])).finally(() => {
        settled = true;
      });
      await heard;
      await clock.advance(4999);
      expect(settled).toBe(false);
      await clock.advance(1);
      expect(await call).toMatchObject({ code: "unreachable", message: expect.stringContaining("5000 ms") });
    });

    it("is unreachable where the node stops in the middle of its answer, or before", async () => {
      answer = () => ({
        type: "raw",
        write(response) {
          response.writeHead(200, { "content-length": 1000 });
          response.write('{"id":0,"result":', () => response.destroy());
        },
      });
      expect(await failure(client().call("method", []))).toMatchObject({ code: "unreachable" });
      answer = () => ({ type: "raw", write: (response) => response.destroy() });
      expect(await failure(client().call("method", []))).toMatchObject({ code: "unreachable" });
    });

    it("is a bad response where the answer is longer than allowed, without reading on", async () => {
      answer = () => ({
        type: "raw",
        write(response) {
          const more = (): void => {
            while (!response.destroyed && response.write("x".repeat(65_536)));
            response.once("drain", more);
          };
          more();
        },
      });
      const error = await failure(client().call("method", [], { maxBytes: 1_000_000 }));
      expect(error).toMatchObject({ code: "bad_response", retryable: false });
    });

    it("is a bad response where the answer is no JSON, or is no answer", async () => {
      const bodies = ["", "<html>", "{", "null", "[]", "7", "{}", '{"id":0}', '{"id":0,"error":"x"}'];
      bodies.push('{"id":0,"error":{"code":"1","message":"x"}}', '{"id":0,"error":{"code":1}}', '{"result":1}');
      for (const body of bodies) {
        for (const status of [200, 500]) {
          answer = () => http(status, body);
          expect(await failure(client().call("method", []))).toMatchObject({ code: "bad_response" });
        }
      }
    });

    it("is unreachable while the node has too much to do", async () => {
      for (const status of [502, 503, 504]) {
        answer = () => http(status, "Work queue depth exceeded");
        expect(await failure(client().call("method", []))).toMatchObject({ code: "unreachable", retryable: true });
      }
    });

    it("is syncing while the node starts, in a call and in a batch", async () => {
      answer = () => refusal(-28, "Loading block index");
      const error = { code: "node_syncing", retryable: true, message: expect.stringContaining("Loading block index") };
      expect(await failure(client().call("method", []))).toMatchObject(error);
      expect(await failure(client().batch("method", [[1]]))).toMatchObject(error);
    });

    it("is unauthorized where the node wants other credentials, or forbids the call", async () => {
      for (const status of [401, 403]) {
        answer = () => http(status, "");
        const error = await failure(client().call("method", []));
        expect(error).toMatchObject({ code: "unauthorized", retryable: false });
        expect(String(error)).toContain(node.url);
      }
      expect(node.calls).toHaveLength(2);
    });

    it("meets a call after close, and one that close interrupts", async () => {
      const rpc = client();
      answer = () => {
        setImmediate(() => rpc.close());
        return { type: "silence" };
      };
      expect(await failure(rpc.call("method", []))).toMatchObject({ code: "unreachable" });
      expect(await failure(rpc.call("method", []))).toMatchObject({ code: "unreachable" });
    });
  });

  describe("a cookie", () => {
    let dir: string;
    let auth: RpcAuth & { file: string };

    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), "sluice-cookie-"));
      auth = { type: "cookie", file: join(dir, ".cookie") };
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    it("is read anew when the node no longer takes it", async () => {
      writeFileSync(auth.file, `__cookie__:${SECRET}`);
      const rpc = client({ auth });
      await rpc.call("first", []);
      writeFileSync(auth.file, `__cookie__:${SECRET}-2\n`);
      await rpc.call("second", []);
      answer = ({ authorization }) => (authorization === basic(`__cookie__:${SECRET}-2`) ? result(3) : http(401, ""));
      expect(await rpc.call("third", [])).toEqual({ ok: true, value: 3 });
      await rpc.call("fourth", []);
      const [one, two] = [basic(`__cookie__:${SECRET}`), basic(`__cookie__:${SECRET}-2`)];
      expect(node.calls.map((call) => call.authorization)).toEqual([one, one, one, two, two]);
    });

    it("that the node refuses and that has not changed is unauthorized, asked once", async () => {
      writeFileSync(auth.file, `__cookie__:${SECRET}`);
      answer = () => http(401, "");
      expect(await failure(client({ auth }).call("method", []))).toMatchObject({ code: "unauthorized" });
      expect(node.calls).toHaveLength(1);
    });

    it("that changed and is refused as well is unauthorized", async () => {
      writeFileSync(auth.file, `__cookie__:${SECRET}`);
      answer = () => {
        writeFileSync(auth.file, `__cookie__:${SECRET}-${node.calls.length}`);
        return http(401, "");
      };
      expect(await failure(client({ auth }).call("method", []))).toMatchObject({ code: "unauthorized" });
      expect(node.calls).toHaveLength(2);
    });

    it("that is missing means a node that is not running, at first or later", async () => {
      const missing = { code: "unreachable", retryable: true, message: expect.stringContaining(auth.file) };
      const rpc = client({ auth });
      expect(await failure(rpc.call("method", []))).toMatchObject(missing);
      writeFileSync(auth.file, `__cookie__:${SECRET}`);
      expect((await rpc.call("method", [])).ok).toBe(true);
      unlinkSync(auth.file);
      answer = () => http(401, "");
      expect(await failure(rpc.call("method", []))).toMatchObject(missing);
    });

    it("that can't be read, or is something else, is unauthorized", async () => {
      expect(await failure(client({ auth: { type: "cookie", file: dir } }).call("m", []))).toMatchObject({
        code: "unauthorized",
      });
      for (const text of ["", "no colon", `${SECRET}:${"x".repeat(5000)}`]) {
        writeFileSync(auth.file, text);
        expect(await failure(client({ auth }).call("m", []))).toMatchObject({ code: "unauthorized" });
      }
      expect(node.calls).toEqual([]);
    });
  });

  it("refuses a url with credentials or of another kind, without repeating it", () => {
    for (const url of [
      `http://alice:${SECRET}@localhost:1`,
      `http://${SECRET}@localhost`,
      `${SECRET}`,
      `ftp://${SECRET}`,
    ]) {
      expect(() => client({ url })).toThrow(TypeError);
      expect(() => client({ url })).not.toThrow(SECRET);
    }
  });
});
