import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { describeRestoreError, type Keeper, type Restored, restoreNode, toHex } from "../node/index.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-code.ts";
import { environmentFailure, Failure } from "./failure.ts";
import { shortened } from "./format.ts";
import { type LineWriter, reporting } from "./line-writer.ts";
import { readPeer } from "./values.ts";

type RestoreOptions = {
  readonly dataDir: string;
  readonly backup?: string;
  readonly fromPeer?: readonly Keeper[];
  readonly seedPhrase: string;
  readonly json: boolean;
};

async function restore(options: RestoreOptions, writer: LineWriter): Promise<number> {
  const { dataDir, backup, fromPeer = [], seedPhrase } = options;
  if (backup === undefined && fromPeer.length === 0) {
    throw new Failure(EXIT.usage, "usage", "Give a backup with --backup, a peer with --from-peer, or both.");
  }
  const phrase = readFileSync(seedPhrase, "utf8");
  const restored = await restoreNode({ directory: dataDir, backup, keepers: fromPeer, seedPhrase: phrase });
  if (!restored.ok) throw environmentFailure(restored.error.type, `${describeRestoreError(restored.error)}.`);
  for (const { peer, error } of restored.value.unanswered) {
    const said = { type: "unanswered", peer: toHex(peer), problem: describeRestoreError(error) };
    writer.line(`${shortened(said.peer)}: ${said.problem}`, said);
  }
  tellRestored(writer, restored.value, dataDir);
  return EXIT.ok;
}

function tellRestored(writer: LineWriter, { from, network, createdAt, channels }: Restored, dataDir: string): void {
  const time = new Date(createdAt).toISOString();
  const source = from.type === "file" ? "a backup" : `the copy with ${shortened(toHex(from.peer))}`;
  const fields = {
    type: "restored",
    ...{ from: from.type, ...(from.type === "peer" && { peer: toHex(from.peer) }) },
    ...{ network, createdAt: time, channels, dataDir },
  };
  writer.line(
    `${channels} channels of network ${network} are restored from ${source} of ${time}, to be closed by their peers: start the node on ${dataDir}`,
    fields,
  );
}

const HELP = `
All channels are in recovery: the node asks their peers to close them, never
broadcasts a commitment of its own for them, and punishes a peer that cheats. Stop
the old node for good first; two nodes with one seed phrase lose money.

A peer that keeps a copy for the node is asked for it with --from-peer, which may be
given several times. Of everything that is found, the newest is taken.

Examples:
  sluice restore --data-dir ./restored --backup ./backup.sluice --seed-phrase ./words
  sluice restore --data-dir ./restored --from-peer 02ab...@192.0.2.7:9745 --seed-phrase ./words
${EXIT_CODES_HELP}`;

function addPeer(text: string, before: readonly Keeper[] | undefined): readonly Keeper[] {
  const { nodeId, address } = readPeer(text);
  if (before?.some(({ peer }) => toHex(peer) === toHex(nodeId))) throw new InvalidArgumentError("It is named twice.");
  return [...(before ?? []), { peer: nodeId, address }];
}

export function addRestoreCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command("restore")
    .summary("makes a data directory from a seed phrase and a backup")
    .description(
      "Makes a data directory from a seed phrase and a backup file, or a copy that a peer keeps, with all channels in recovery.",
    )
    .requiredOption("--data-dir <dir>", "the new directory")
    .option("--backup <file>", "the newest backup.sluice that there is")
    .option("--from-peer <id@host:port>", "a peer that may keep a copy", addPeer)
    .requiredOption("--seed-phrase <file>", "a file with the 24 words; /dev/stdin reads them from there")
    .option("--json", "each line is a JSON object with a type", false)
    .addHelpText("after", HELP)
    .action((options: RestoreOptions) => reporting(options, finish, (writer) => restore(options, writer)));
}
