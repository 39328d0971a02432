import {
  ChainError,
  DataDirectoryUnusable,
  LedgerError,
  NodeHalted,
  StoreError,
  TransportError,
} from "../node/index.ts";
import { EXIT } from "./exit-code.ts";

/** Ends a command with a message for its user: what happened, why, and what to do. */
export class Failure extends Error {
  readonly exitCode: number;
  /** For programs: one word that stays the same when the message changes. */
  readonly code: string;
  constructor(exitCode: number, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "Failure";
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** A failure of the surroundings: nothing is wrong with the command or with what it was told. */
export function environmentFailure(code: string, message: string, cause?: unknown): Failure {
  return new Failure(EXIT.environment, code, message, { cause });
}

const CHAIN_ADVICE: Readonly<Record<ChainError["code"], string>> = {
  unreachable: "Start bitcoind (with server=1), or say where it is with --rpc-url and --rpc-cookie.",
  unauthorized:
    "Name the cookie file that bitcoind writes with --rpc-cookie, or its user with --rpc-user and the password in SLUICE_RPC_PASSWORD.",
  wrong_network:
    "Say with --network which network the node is on, or with --rpc-url where the right one is. A data directory belongs to the chain that it was first used with.",
  node_syncing:
    "Wait until bitcoind has caught up, and start again: bitcoin-cli getblockchaininfo shows how far it is.",
  bad_response: "Check that --rpc-url is the RPC port of Bitcoin Core 25 or later, and look into its debug.log.",
};

const TRANSPORT_ADVICE: Readonly<Partial<Record<TransportError["code"], string>>> = {
  address_in_use: "Stop the process that listens there, or choose another port with --listen.",
  address_unusable: "Choose an address of this machine with --listen, and a port that you may use.",
};

const SYSTEM_ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "No space is left on the disk: make some, or choose another folder.",
  EDQUOT: "The quota is used up: make space, or choose another folder.",
  EROFS: "The file system is read-only: choose another folder.",
  EACCES: "Permission is missing: choose a folder of your own.",
  EPERM: "Permission is missing: choose a folder of your own.",
  ENOENT: "The folder does not exist: create it, or choose another one.",
  ENOTDIR: "A file is in the place of a folder: choose another one.",
  EADDRINUSE: "Another process listens there: stop that one, or choose another port.",
  EADDRNOTAVAIL: "This machine does not have that address: choose another one.",
};

function withoutFullStop(text: string): string {
  return text.replace(/\.$/, "");
}

/** What a command ends with, whatever was thrown. Messages carry no secret: the errors that they come from do not. */
export function asFailure(cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  if (cause instanceof NodeHalted) {
    const inner = asFailure(cause.cause);
    return new Failure(inner.exitCode, inner.code, `The node stopped by itself: ${inner.message}`, { cause });
  }
  if (cause instanceof StoreError) return environmentFailure(`store_${cause.code}`, cause.message, cause);
  if (cause instanceof LedgerError) return environmentFailure(`ledger_${cause.code}`, cause.message, cause);
  if (cause instanceof DataDirectoryUnusable) return environmentFailure("data_directory", cause.message, cause);
  if (cause instanceof ChainError) {
    const message = `The Bitcoin chain can't be used: ${withoutFullStop(cause.message)}. ${CHAIN_ADVICE[cause.code]}`;
    return environmentFailure(`chain_${cause.code}`, message, cause);
  }
  if (cause instanceof TransportError) {
    const message = `${withoutFullStop(cause.message)}. ${TRANSPORT_ADVICE[cause.code] ?? ""}`.trimEnd();
    return environmentFailure(`network_${cause.code}`, message, cause);
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const advice = SYSTEM_ADVICE[code];
  if (cause instanceof Error && advice !== undefined) {
    return environmentFailure(code.toLowerCase(), `${cause.message}. ${advice}`, cause);
  }
  const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new Failure(EXIT.failed, "unexpected", `This should not happen; please report it.\n${what}`, { cause });
}
