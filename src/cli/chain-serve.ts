import { randomBytes } from "node:crypto";
import { setInterval } from "node:timers";
import { type Command, Option } from "commander";
import { Chain, serveChain, systemClock } from "../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { takeSignals } from "./interruption.ts";
import { type LineWriter, reporting } from "./line-writer.ts";
import { readPort, readSeconds } from "./values.ts";

type ServeOptions = {
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly blockEvery?: number;
  readonly json: boolean;
};

async function serve(options: ServeOptions, writer: LineWriter): Promise<number> {
  const { port, user, blockEvery } = options;
  const { SLUICE_RPC_PASSWORD } = process.env;
  const password = options.password ?? SLUICE_RPC_PASSWORD ?? randomBytes(16).toString("hex");
  const interruption = takeSignals();
  const clock = systemClock();
  const chain = new Chain(clock);
  const server = await serveChain({ chain, clock, user, password, port });
  const { url } = server;
  const how = [
    `the chain is served at ${url}`,
    `a node on it:  SLUICE_RPC_PASSWORD=${password} sluice start --data-dir DIR --rpc-url ${url} --rpc-user ${user}`,
    `a block:       curl -u ${user}:${password} -d '{"method":"generatetoaddress","params":[1,"ADDRESS"]}' ${url}`,
  ];
  writer.line(how.join("\n  "), { type: "started", ...{ url, user, password } });
  const unsubscribe = chain.subscribe((event) => {
    const { height } = chain.tip;
    if (event.type === "tip") writer.line(`block ${height}`, { type: "block", ...{ height } });
  });
  const mining = blockEvery === undefined ? undefined : setInterval(() => void chain.mine(1), blockEvery);
  await interruption.came;
  clearInterval(mining);
  unsubscribe();
  await server.close();
  interruption.dispose();
  writer.line("stopped", { type: "stopped" });
  return EXIT.ok;
}

const HELP = `
The chain is regtest with Bitcoin's rules, in memory: it ends with this command. It
answers the part of Bitcoin Core's JSON-RPC that nodes use, on this machine only.
A mined coin can be spent after 100 more blocks.

Examples:
  sluice chain serve
  sluice chain serve --port 18443 --block-every 10 --json
${EXIT_CODES_HELP}`;

export function addChainCommand(program: Command, finish: (exitCode: number) => void): void {
  const chain = program
    .command("chain")
    .description("an embedded Bitcoin chain for several processes")
    .addHelpText("after", "\nExample:\n  sluice chain serve");
  chain
    .command("serve")
    .summary("keeps an embedded chain that several nodes use")
    .description("Keeps an embedded Bitcoin chain that several processes of this machine use, until Ctrl-C or SIGTERM.")
    .addOption(new Option("--port <number>", "where it listens; 0 takes a free one").argParser(readPort).default(18443))
    .option("--user <name>", "RPC user", "sluice")
    .option(
      "--password <text>",
      "RPC password (default: the variable SLUICE_RPC_PASSWORD, else a new one that is printed)",
    )
    .option("--block-every <seconds>", "mine a block that often (default: only when told by RPC)", readSeconds)
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", HELP)
    .action((options: ServeOptions) => reporting(options, finish, (writer) => serve(options, writer)));
}
