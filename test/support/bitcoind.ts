// A real bitcoind on a regtest chain of its own, for tests. Use:
//
//   describe.skipIf(findBitcoind() === undefined)("...", () => {
//     let node: Bitcoind;
//     beforeAll(async () => { node = await startBitcoind(); await node.mine(101); });
//     afterAll(() => node.stop());
//   });
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** The node answered with an error: `code` is bitcoind's own. */
export class BitcoindRpcError extends Error {
  readonly code: number;
  constructor(method: string, code: number, message: string) {
    super(`${method}: ${message} (${code})`);
    this.name = "BitcoindRpcError";
    this.code = code;
  }
}

export type Bitcoind = {
  /** `http://127.0.0.1:port`; stays the same over a restart, as does `cookieFile`'s place (but not its contents). */
  readonly rpcUrl: string;
  readonly cookieFile: string;
  /** The data directory; removed by `stop`. */
  readonly dir: string;
  /** The result as parsed JSON; amounts in BTC are floating point there. Throws BitcoindRpcError. */
  rpc<T = unknown>(method: string, params?: readonly unknown[]): Promise<T>;
  /** Mines blocks to the node's own wallet and gives their hashes. Coinbase outputs can be spent after 100 more. */
  mine(blocks: number): Promise<string[]>;
  /** Sends from the wallet and gives the displayed txid. */
  send(address: string, amountSat: bigint): Promise<string>;
  /** Ends the process in good order and starts it on the same data, ports and cookie file. */
  restart(): Promise<void>;
  /** kill -9, and a start on the same data. What was not written to disk is gone: the mempool, and blocks not flushed. */
  kill(): Promise<void>;
  stop(): Promise<void>;
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

let told = false;

/** The bitcoind of `TEST_BITCOIND`, else of PATH; undefined, with a message printed once a file, where there is none. */
export function findBitcoind(): string | undefined {
  const { TEST_BITCOIND: named, PATH: folders = "" } = process.env;
  if (named !== undefined && named !== "") {
    if (!isExecutable(named)) throw new Error(`TEST_BITCOIND is ${named}, which can't be executed`);
    return named;
  }
  const found = folders
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "bitcoind"))
    .find(isExecutable);
  if (found === undefined && !told) {
    told = true;
    console.warn("SKIPPED: no bitcoind. Set TEST_BITCOIND to its path, or put it on PATH, to run these tests.");
  }
  return found;
}

/** Ports that are free now, distinct from each other. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  });
  await Promise.all(
    servers.map((server) => {
      server.close();
      return once(server, "close");
    }),
  );
  return ports;
}

/** Starts the process and waits until it takes RPC calls: it says so in its log. */
async function launch(path: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"] });
  const lines = createInterface({ input: child.stdout });
  const log: string[] = [];
  let errors = "";
  child.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  await new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => {
      if (log.push(line) > 30) log.shift();
      // The RPC server leaves its warm-up right before this line.
      if (line.includes("init message: Done loading")) resolve();
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`bitcoind ended with ${code}: ${errors}\n${log.join("\n")}`)));
  });
  return child;
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

/** For a test that blocks its thread: nobody would read the log, and the node waits for its reader. */
export const SILENT = "-printtoconsole=0";

type RpcAnswer = {
  readonly result: unknown;
  readonly error: { readonly code: number; readonly message: string } | null;
};

/** Further arguments go to the command line, e.g. `-txindex`; a wallet named `test` is created and loaded. */
export async function startBitcoind(args: readonly string[] = []): Promise<Bitcoind> {
  const path = findBitcoind();
  if (path === undefined) throw new Error("no bitcoind: see findBitcoind");
  const dir = mkdtempSync(join(tmpdir(), "sluice-bitcoind-"));
  const [rpcPort] = await freePorts(1);
  const rpcUrl = `http://127.0.0.1:${rpcPort}`;
  const cookieFile = join(dir, "regtest", ".cookie");
  const command = [
    "-regtest",
    `-datadir=${dir}`,
    "-server",
    `-rpcport=${rpcPort}`,
    "-listen=0",
    "-connect=0",
    "-printtoconsole",
    "-debuglogfile=0",
    "-fallbackfee=0.0001",
    "-wallet=test",
    ...args,
  ];
  let child: ChildProcess | undefined;
  const killAtExit = () => child?.kill("SIGKILL");
  process.once("exit", killAtExit);

  async function rpc<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    const authorization = `Basic ${Buffer.from(readFileSync(cookieFile, "utf8")).toString("base64")}`;
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { authorization },
      body: JSON.stringify({ jsonrpc: "1.0", id: method, method, params }),
    });
    const answer = (await response.json()) as RpcAnswer;
    if (answer.error !== null) throw new BitcoindRpcError(method, answer.error.code, answer.error.message);
    return answer.result as T;
  }

  /** A node told not to log has to be asked whether it is ready. */
  async function start(): Promise<ChildProcess> {
    if (!args.includes(SILENT)) return launch(path ?? "", command);
    const started = spawn(path ?? "", command, { stdio: "ignore" });
    while (started.exitCode === null) {
      const height = await rpc("getblockcount").catch(() => undefined);
      if (height !== undefined) return started;
    }
    throw new Error(`bitcoind ended with ${started.exitCode}`);
  }

  try {
    // The wallet is named on the command line, hence loaded by a restart; at first it has to be made.
    child = await start();
    await rpc("createwallet", ["test"]);
  } catch (error) {
    if (child !== undefined) await end(child);
    process.off("exit", killAtExit);
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return {
    rpcUrl,
    cookieFile,
    dir,
    rpc,
    async mine(blocks) {
      return rpc<string[]>("generatetoaddress", [blocks, await rpc<string>("getnewaddress")]);
    },
    async send(address, amountSat) {
      const btc = `${amountSat / 100_000_000n}.${(amountSat % 100_000_000n).toString().padStart(8, "0")}`;
      return rpc<string>("sendtoaddress", [address, btc]);
    },
    async restart() {
      if (child !== undefined) await end(child);
      child = await start();
    },
    async kill() {
      if (child !== undefined) await end(child, "SIGKILL");
      child = await start();
    },
    async stop() {
      if (child !== undefined) await end(child);
      process.off("exit", killAtExit);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
