import { mkdirSync } from "node:fs";
import { type Command, Option } from "commander";
import { openLedger, serveLedger, systemClock, systemRandom } from "../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { takeSignals } from "./interruption.ts";
import { type LineWriter, reporting } from "./line-writer.ts";
import { readPort, readSeconds } from "./values.ts";

type ServeOptions = {
  readonly dataDir?: string;
  readonly port: number;
  readonly blockEvery?: number;
  readonly mining: boolean;
  readonly faucet: boolean;
  readonly json: boolean;
};

/** What can be done with it, for who reads the line and knows nothing yet. */
function uses(url: string, { mining, faucet, blockEvery }: ServeOptions): string[] {
  const post = (path: string, body: string): string =>
    `curl -H 'content-type: application/json' -d '${body}' ${url}${path}`;
  return [
    ...(mining ? [`a block:  ${post("/v1/blocks", '{"count":1}')}`] : []),
    ...(faucet ? [`money:    ${post("/v1/faucet", '{"account":"ACCOUNT","amount":"1000000"}')}`] : []),
    ...(mining || blockEvery !== undefined ? [] : ["no blocks are made: see --block-every and --mining"]),
  ];
}

async function serve(options: ServeOptions, writer: LineWriter): Promise<number> {
  const { dataDir, port, blockEvery, mining, faucet } = options;
  const interruption = takeSignals();
  const clock = systemClock();
  if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const ledger = openLedger({ directory: dataDir, clock, random: systemRandom(), blockEveryMs: blockEvery });
  try {
    const server = await serveLedger({ ledger, clock, port, mining, faucet });
    const { url } = server;
    const { height } = ledger.tip();
    const head = `the ledger is served at ${url}, at block ${height}`;
    writer.line([head, ...uses(url, options)].join("\n  "), { type: "started", ...{ url, height } });
    const unsubscribe = ledger.subscribe(() => {
      const tip = ledger.tip();
      writer.line(`block ${tip.height}`, { type: "block", ...{ height: tip.height } });
    });
    await interruption.came;
    unsubscribe();
    await server.close();
  } finally {
    ledger.close();
    interruption.dispose();
  }
  writer.line("stopped", { type: "stopped" });
  return EXIT.ok;
}

const HELP = `
The ledger keeps accounts and contract channels. It answers JSON over HTTP on this
machine only; what changes something is signed by whose it is, so there is no
password. With --data-dir every block is durable, and a new start goes on from it.

Examples:
  sluice ledger serve --data-dir ./ledger --block-every 5
  sluice ledger serve --mining --faucet --json
${EXIT_CODES_HELP}`;

export function addLedgerCommand(program: Command, finish: (exitCode: number) => void): void {
  const ledger = program
    .command("ledger")
    .description("an embedded ledger of accounts and contract channels for several processes")
    .addHelpText("after", "\nExample:\n  sluice ledger serve --mining --faucet");
  ledger
    .command("serve")
    .summary("keeps an embedded ledger that several nodes use")
    .description("Keeps an embedded ledger that several processes of this machine use, until Ctrl-C or SIGTERM.")
    .option("--data-dir <folder>", "where the ledger is kept; made where it is not there (default: in memory)")
    .addOption(new Option("--port <number>", "where it listens; 0 takes a free one").argParser(readPort).default(9746))
    .option("--block-every <seconds>", "make a block that often (default: only when asked)", readSeconds)
    .option("--mining", "whoever reaches the port may have blocks made", false)
    .option("--faucet", "whoever reaches the port may have money", false)
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", HELP)
    .action((options: ServeOptions) => reporting(options, finish, (writer) => serve(options, writer)));
}
