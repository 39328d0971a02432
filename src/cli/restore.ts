import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { describeRestoreError, restoreNode } from "../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { asFailure, environmentFailure } from "./failure.ts";
import { type LineWriter, lineWriter } from "./line-writer.ts";

type RestoreOptions = {
  readonly dataDir: string;
  readonly backup: string;
  readonly seedPhrase: string;
  readonly json: boolean;
};

async function restore({ dataDir, backup, seedPhrase }: RestoreOptions, writer: LineWriter): Promise<number> {
  const restored = await restoreNode({ directory: dataDir, backup, seedPhrase: readFileSync(seedPhrase, "utf8") });
  if (!restored.ok) throw environmentFailure(restored.error.type, `${describeRestoreError(restored.error)}.`);
  const { network, createdAt, channels } = restored.value;
  const from = new Date(createdAt).toISOString();
  writer.line(
    `${channels} channels of network ${network} are restored from a backup of ${from}, to be closed by their peers: start the node on ${dataDir}`,
    { type: "restored", ...{ network, createdAt: from, channels, dataDir } },
  );
  return EXIT.ok;
}

const HELP = `
All channels are in recovery: the node asks their peers to close them, never
broadcasts a commitment of its own for them, and punishes a peer that cheats. Stop
the old node for good first; two nodes with one seed phrase lose money.

Examples:
  sluice restore --data-dir ./restored --backup ./backup.sluice --seed-phrase ./words
${EXIT_CODES_HELP}`;

export function addRestoreCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command("restore")
    .summary("makes a data directory from a seed phrase and a backup")
    .description("Makes a data directory from a seed phrase and a backup file, with all channels in recovery.")
    .requiredOption("--data-dir <dir>", "the new directory")
    .requiredOption("--backup <file>", "the newest backup.sluice that there is")
    .requiredOption("--seed-phrase <file>", "a file with the 24 words; /dev/stdin reads them from there")
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", HELP)
    .action(async (options: RestoreOptions) => {
      const writer = lineWriter(options);
      try {
        finish(await restore(options, writer));
      } catch (cause) {
        const failure = asFailure(cause);
        writer.failed(failure);
        finish(failure.exitCode);
      }
    });
}
