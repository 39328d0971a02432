import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { environmentFailure } from "../failure.ts";

const HOW_TO =
  "Install Bitcoin Core (https://bitcoincore.org/en/download) and name its program with BITCOIND=/path/to/bitcoind, or put it on PATH. " +
  "The demo without --chain needs no bitcoind.";

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The bitcoind of the variable BITCOIND, else of PATH. Throws Failure where there is none. */
export function findBitcoind(): string {
  const { BITCOIND: named, PATH: folders = "" } = process.env;
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return named;
    throw environmentFailure("no_bitcoind", `BITCOIND is ${named}, which is no program that can be run. ${HOW_TO}`);
  }
  const found = folders
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "bitcoind"))
    .find(isExecutable);
  if (found !== undefined) return found;
  throw environmentFailure(
    "no_bitcoind",
    `No bitcoind was found: BITCOIND is not set, and no folder of PATH has it. ${HOW_TO}`,
  );
}

/** Bitcoind takes no port 0, so one that is free now has to be named. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

export type BitcoindProcess = {
  readonly url: string;
  readonly cookieFile: string;
  /** The result as parsed JSON. Throws where the node refuses. */
  rpc(method: string, ...params: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
};

/** Resolves when the process takes RPC calls, which it says in its log. */
async function untilLoaded(child: ChildProcess, path: string): Promise<void> {
  const log: string[] = [];
  const keep = (line: string): void => {
    if (log.push(line) > 10) log.shift();
  };
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("the output of bitcoind is piped");
  createInterface({ input: stderr }).on("line", keep);
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: stdout }).on("line", (line) => {
      keep(line);
      // The RPC server leaves its warm-up right before this line.
      if (line.includes("init message: Done loading")) resolve();
    });
    const fail = (why: string): void => {
      const words = log.length === 0 ? "It said nothing." : ["It said:", ...log].join("\n  ");
      reject(environmentFailure("bitcoind_failed", `${path} ${why}. ${words}`));
    };
    child.once("error", (cause) => fail(`can't be run (${cause.message})`));
    child.once("close", (code, signal) => fail(`ended with ${code ?? signal} while it was starting`));
  });
}

/** Starts a bitcoind with a regtest chain of its own in an existing folder. Throws Failure where it does not start. */
export async function startBitcoind(path: string, directory: string): Promise<BitcoindProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const cookieFile = join(directory, "regtest", ".cookie");
  const args = [
    "-regtest",
    `-datadir=${directory}`,
    "-server",
    `-rpcport=${port}`,
    "-rpcthreads=8",
    "-listen=0",
    "-connect=0",
    "-printtoconsole",
    "-fallbackfee=0.0001",
    // The chain is not worth the disk's time: nobody sees it again.
    "-unsafesqlitesync",
    "-keypool=10",
  ];
  // In a group of its own: a Ctrl-C of the terminal would end it under the feet of the nodes.
  const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const gone = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });

  async function stop(): Promise<void> {
    child.kill("SIGTERM");
    await gone;
    process.off("exit", kill);
  }

  try {
    await untilLoaded(child, path);
  } catch (cause) {
    await stop();
    throw cause;
  }
  return {
    url,
    cookieFile,
    async rpc(method, ...params) {
      const authorization = `Basic ${Buffer.from(readFileSync(cookieFile, "utf8")).toString("base64")}`;
      const body = JSON.stringify({ jsonrpc: "1.0", id: method, method, params });
      const response = await fetch(url, { method: "POST", headers: { authorization }, body });
      const answer: unknown = await response.json();
      if (typeof answer !== "object" || answer === null || !("result" in answer) || !("error" in answer)) {
        throw new Error(`bitcoind sent no answer to ${method}`);
      }
      if (answer.error !== null) throw new Error(`bitcoind refused ${method}: ${JSON.stringify(answer.error)}`);
      return answer.result;
    },
    stop,
  };
}
