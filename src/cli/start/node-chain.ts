import { homedir } from "node:os";
import { join } from "node:path";
import {
  type BitcoinChain,
  type BitcoindChain,
  type BitcoindOptions,
  type BitcoinNetwork,
  bitcoindChain,
  Chain,
  embeddedChain,
  systemClock,
} from "../../node/index.ts";
import { EXIT } from "../exit-code.ts";
import { Failure } from "../failure.ts";

/** Not `main`: real money has to wait until the random campaigns have run for longer. */
export const NETWORKS = ["test", "signet", "regtest"] as const;
export const CHAINS = ["bitcoind", "embedded"] as const;

export type ChainOptions = {
  readonly chain: (typeof CHAINS)[number];
  readonly network: BitcoinNetwork;
  readonly rpcUrl?: string;
  readonly rpcCookie?: string;
  readonly rpcUser?: string;
};

/** Where bitcoind listens for RPC, and keeps its cookie, unless it is told otherwise. */
const DEFAULTS: Readonly<Record<BitcoinNetwork, { readonly port: number; readonly folder: string }>> = {
  main: { port: 8332, folder: "" },
  test: { port: 18332, folder: "testnet3" },
  signet: { port: 38332, folder: "signet" },
  regtest: { port: 18443, folder: "regtest" },
};

const POLL_MS = 1_000;
const REQUEST_TIMEOUT_MS = 30_000;

function defaultCookie(network: BitcoinNetwork): string {
  const data = process.platform === "darwin" ? ["Library", "Application Support", "Bitcoin"] : [".bitcoin"];
  return join(homedir(), ...data, DEFAULTS[network].folder, ".cookie");
}

function rpcAuth({ network, rpcCookie, rpcUser }: ChainOptions): BitcoindOptions["auth"] {
  if (rpcUser === undefined) return { type: "cookie", file: rpcCookie ?? defaultCookie(network) };
  const { SLUICE_RPC_PASSWORD: password } = process.env;
  if (password !== undefined) return { type: "password", user: rpcUser, password };
  const message =
    "--rpc-user needs the password in the variable SLUICE_RPC_PASSWORD, where no list of processes shows it.";
  throw new Failure(EXIT.usage, "no_password", message);
}

async function connected(chain: BitcoindChain): Promise<BitcoinChain> {
  try {
    await chain.connect();
    return chain;
  } catch (cause) {
    await chain.close();
    throw cause;
  }
}

/** The chain that a node is to stand on, asked once. Throws Failure for options that don't fit, ChainError where it can't be used. */
export async function openChain(options: ChainOptions): Promise<BitcoinChain> {
  const { network, rpcUrl } = options;
  const clock = systemClock();
  if (options.chain === "embedded") return embeddedChain(new Chain(clock), clock);
  const url = rpcUrl ?? `http://127.0.0.1:${DEFAULTS[network].port}`;
  const auth = rpcAuth(options);
  return connected(bitcoindChain({ url, auth, network, pollMs: POLL_MS, requestTimeoutMs: REQUEST_TIMEOUT_MS, clock }));
}
