import { type Command, Option } from "commander";
import { type ExplainedChannels, explainStopped, explanationLines } from "../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { asFailure, Failure } from "./failure.ts";
import { jsonLine } from "./json-line.ts";
import { readNatural } from "./values.ts";

type ExplainOptions = { readonly dataDir: string; readonly feeRate: number; readonly json: boolean };

const DEFAULT_FEE_RATE = 2_000;

const HELP = `
The node must be stopped: its data directory is locked meanwhile, and read only. What is
said is as of the last block that the node saw. Channels that are over are left out.

Examples:
  sluice explain --data-dir ./alice
  sluice explain 3 --data-dir ./alice --fee-rate 15000 --json
${EXIT_CODES_HELP}`;

async function explainChannels(channel: number | undefined, options: ExplainOptions): Promise<ExplainedChannels> {
  const found = await explainStopped({ directory: options.dataDir, feeRate: options.feeRate });
  if (channel === undefined) return found;
  const one = {
    channels: found.channels.filter((explanation) => explanation.channel === channel),
    damaged: found.damaged.filter((damaged) => damaged.channel === channel),
  };
  if (one.channels.length + one.damaged.length > 0) return one;
  const known = [...found.channels, ...found.damaged].map((each) => each.channel).join(", ");
  const message = `There is no channel ${channel} that is not over. Those that are: ${known || "none"}.`;
  throw new Failure(EXIT.failed, "unknown_channel", message);
}

export function addExplainCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command("explain")
    .summary("says what the channels of a stopped node wait for, and what ending them would cost")
    .description(
      "Says of each channel of a stopped node who has to act next and until when, what is stuck, and what a force close would cost.",
    )
    .argument("[channel]", "the node's number of the channel (default: all of them)", readNatural(0))
    .requiredOption("--data-dir <dir>", "the node's own directory")
    .addOption(
      new Option("--fee-rate <number>", "what the chain asks for now, in satoshi per 1000 virtual bytes")
        .argParser(readNatural(1))
        .default(DEFAULT_FEE_RATE),
    )
    .option("--json", "each channel is a line with a JSON object", false)
    .addHelpText("after", HELP)
    .action(async (channel: number | undefined, options: ExplainOptions) => {
      try {
        const found = await explainChannels(channel, options);
        if (options.json) {
          const damaged = found.damaged.map((one) => ({ ...one, damaged: true }));
          for (const one of [...found.channels, ...damaged]) process.stdout.write(`${jsonLine(one)}\n`);
        } else process.stdout.write(`${asText(found)}\n`);
        finish(EXIT.ok);
      } catch (cause) {
        const failure = asFailure(cause);
        process.stderr.write(`${failure.message}\n`);
        finish(failure.exitCode);
      }
    });
}

function asText({ channels, damaged }: ExplainedChannels): string {
  const texts = channels.map((one) => explanationLines(one).join("\n"));
  for (const { channel, problem } of damaged) texts.push(`Channel ${channel} is damaged: ${problem}.`);
  return texts.length === 0 ? "There is no channel that is not over." : texts.join("\n\n");
}
