// A campaign of kills from the command line: see HELP.
import { parseArgs } from "node:util";
import { runCampaign } from "./kill-campaign.ts";
import { plain } from "./killed-node.ts";

const HELP = `npm run kills -- [options]

Two nodes in processes of their own, on SQLite and TCP, open channels (alone and together), pay both ways, close, force a close with payments
under way, and lose a machine that is restored from its backup; kill -9 hits either of them, both, one that is starting, and bitcoind
at random moments. At the end every payment has to have ended the same at both ends, each once, and the money on chain to be exact.

  --kills N          how many (default 200)
  --seconds N        begin no channel after so long (default: as long as it takes)
  --seed N           of the random choices (default: by the clock; it is printed)
  --chain NAME       embedded or bitcoind, which TEST_BITCOIND or PATH names (default embedded)
  --json             the result as one line of JSON, and nothing else
  --help             this

Exit codes: 0 all held, 1 something did not, 2 wrong usage.
Example: npm run kills -- --kills 200 --seed 7 --chain bitcoind`;

function usage(problem: string): never {
  process.stderr.write(`${problem}\n\n${HELP}\n`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        kills: { type: "string", default: "200" },
        seconds: { type: "string", default: "100000" },
        seed: { type: "string" },
        chain: { type: "string", default: "embedded" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (cause) {
    return usage(cause instanceof Error ? cause.message : String(cause));
  }
}

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) usage(`--${name} takes a whole number, not ${text}`);
  return Number(text);
}

const chosen = options();
if (chosen.help) {
  process.stdout.write(`${HELP}\n`);
  process.exit(0);
}
const { chain } = chosen;
if (chain !== "embedded" && chain !== "bitcoind") usage(`--chain is embedded or bitcoind, not ${chain}`);
const kills = whole("kills", chosen.kills);
const seed = chosen.seed === undefined ? Date.now() % 1_000_000 : whole("seed", chosen.seed);
const seconds = whole("seconds", chosen.seconds);
const say = (line: string): void => {
  if (!chosen.json) process.stdout.write(`${line}\n`);
};
say(`${kills} kills, seed ${seed}, chain ${chain}`);
try {
  const report = await runCampaign({ kills, seed, chain, seconds, say });
  const { books, payments } = report;
  say(`kills: ${JSON.stringify(report.kills)}`);
  say(`channels: ${JSON.stringify(report.lives)}`);
  say(`payments: ${payments.succeeded} arrived, ${payments.failed} failed, ${payments.neverMade} were never made`);
  say(
    `${report.starts} starts of nodes, ${report.blocks} blocks, ${books.transactions} transactions of theirs, ${books.feesSat} sat of fees`,
  );
  say(`all held: ${report.seconds.toFixed(0)} s`);
  if (chosen.json) process.stdout.write(`${JSON.stringify({ ...report, seed, chain }, plain)}\n`);
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`);
  process.exitCode = 1;
}
