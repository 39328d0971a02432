import { type Command, Option } from "commander";
import {
  DEFAULT_PORT,
  type NodeEvent,
  NodeHalted,
  openNode,
  type PeerAddress,
  type SluiceNode,
  toHex,
} from "../../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "../exit-code.ts";
import { Failure } from "../failure.ts";
import { type Interrupted, takeSignals } from "../interruption.ts";
import { type LineWriter, reporting } from "../line-writer.ts";
import { readAddress, readUrl, writtenAddress } from "../values.ts";
import { eventWords } from "./event-words.ts";
import { CHAINS, type ChainOptions, NETWORKS, openChain } from "./node-chain.ts";

/** What `--copies` says. */
const COPIES = {
  both: { send: true, keep: true },
  send: { send: true, keep: false },
  keep: { send: false, keep: true },
  none: { send: false, keep: false },
} as const;

type StartOptions = ChainOptions & {
  readonly dataDir: string;
  readonly listen: PeerAddress;
  readonly backup?: string;
  readonly copies: keyof typeof COPIES;
  readonly json: boolean;
};

/** Opens the node and has it listen. Whatever fails leaves nothing running. */
async function startUp(
  options: StartOptions,
  listener: (event: NodeEvent) => void,
): Promise<[SluiceNode, PeerAddress]> {
  const { dataDir, listen, backup, copies } = options;
  const chain = await openChain(options);
  let node: SluiceNode;
  try {
    node = await openNode({
      ...{ directory: dataDir, chain, listener, copies: COPIES[copies] },
      ...(backup === undefined ? {} : { backup }),
    });
  } catch (cause) {
    await chain.close();
    throw cause;
  }
  try {
    return [node, await node.listen(listen)];
  } catch (cause) {
    await node.stop();
    throw cause;
  }
}

async function run(options: StartOptions, writer: LineWriter): Promise<number> {
  const interruption = takeSignals();
  let halt: (cause: unknown) => void = () => {};
  const halted = new Promise<never>((_, reject) => {
    halt = (cause) => reject(new NodeHalted(cause));
  });
  halted.catch(() => {});
  const starting = startUp(options, (event) => {
    writer.line(eventWords(event), event);
    if (event.type === "halted") halt(event.cause);
  });
  // A node that is still starting is left where it stands: what it has written is whole, and nothing else is lost.
  const started = await Promise.race([starting, interruption.came]);
  if (!Array.isArray(started)) return ended(started, writer);
  const [node, address] = started;
  const nodeId = toHex(node.nodeId);
  const where = writtenAddress(address);
  writer.line(`node ${nodeId} listens at ${where}; the chain is at block ${node.height}`, {
    type: "started",
    ...{ nodeId, address: where, network: options.network, height: node.height, dataDir: options.dataDir },
  });
  try {
    await Promise.race([interruption.came, halted]);
  } finally {
    await node.stop();
  }
  interruption.dispose();
  writer.line("stopped", { type: "stopped" });
  return EXIT.ok;
}

function ended({ message, exitCode }: Interrupted, writer: LineWriter): never {
  writer.line(message, { type: "stopped" });
  process.exit(exitCode);
}

function checkTogether({ chain, network, rpcUrl, rpcCookie, rpcUser }: ChainOptions): void {
  const named = rpcUrl ?? rpcCookie ?? rpcUser;
  if (chain === "embedded" && (named !== undefined || network !== "regtest")) {
    throw new Failure(
      EXIT.usage,
      "usage",
      "--chain embedded is a regtest chain in this process: it has no --rpc options.",
    );
  }
}

const HELP = `
The data directory holds the seed phrase and the channels. It belongs to the network
and chain that it was first used with. Write the seed phrase down.

--chain embedded is an empty chain in the memory of this process, for a look only.
"sluice chain serve" keeps one that can be mined and that several nodes share.

A backup on another disk, or peers that keep copies, give back the money when the data
directory is lost: see "sluice restore --help".

Examples:
  sluice start --data-dir ./alice --rpc-cookie ~/.bitcoin/regtest/.cookie
  sluice start --data-dir ./alice --network signet --listen 0.0.0.0:9745 --json
  sluice start --data-dir ./alice --backup /mnt/other-disk/alice.sluice
  SLUICE_RPC_PASSWORD=... sluice start --data-dir ./alice --rpc-url http://127.0.0.1:18443 --rpc-user sluice
${EXIT_CODES_HELP}`;

export function addStartCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command("start")
    .summary("runs a node until Ctrl-C or SIGTERM")
    .description(
      "Runs a node until Ctrl-C or SIGTERM, which end it in good order, and prints what happens line by line.",
    )
    .requiredOption("--data-dir <dir>", "the node's own directory; made where it is missing")
    .addOption(
      new Option("--chain <kind>", "where the node sees the Bitcoin chain").choices(CHAINS).default("bitcoind"),
    )
    .addOption(new Option("--network <name>", "the network that it must be").choices(NETWORKS).default("regtest"))
    .option("--rpc-url <url>", "bitcoind's RPC (default: http://127.0.0.1 and the network's usual port)", readUrl)
    .addOption(
      new Option(
        "--rpc-cookie <file>",
        "bitcoind's cookie file (default: the one in Bitcoin's usual folder)",
      ).conflicts("rpcUser"),
    )
    .option("--rpc-user <name>", "bitcoind's RPC user, with the password in the variable SLUICE_RPC_PASSWORD")
    .addOption(
      new Option("--listen <host:port>", "where peers connect to; port 0 takes a free one")
        .argParser(readAddress)
        .default({ host: "127.0.0.1", port: DEFAULT_PORT }, `127.0.0.1:${DEFAULT_PORT}`),
    )
    .option("--backup <file>", "where the encrypted backup is kept current (default: backup.sluice in the directory)")
    .addOption(
      new Option("--copies <which>", "small encrypted copies: send ours to peers, keep those of peers, both or none")
        .choices(Object.keys(COPIES))
        .default("both"),
    )
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", HELP)
    .action((options: StartOptions) =>
      reporting(options, finish, async (writer) => {
        checkTogether(options);
        return run(options, writer);
      }),
    );
}
