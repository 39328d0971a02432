// Puts each planted bug into a copy of the compiled product and has the campaign look for it. Usage, after `npm run planted --`:
//
//   [--bug NAME] [--seeds 1000] [--workers K]   looks for each bug, and says the seed that finds it
//   --write ...                                 the same, and writes the table into docs/reliability.md
//   --check                                     runs each bug that the table has a seed for with that seed
//   --some                                      of each invariant of the table, looks for one bug that is found soon
//
// Exit code 1: a bug was not found. 2: the command is wrong.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PLANTED_BUGS, type PlantedBug } from "./bugs.ts";

/** The root of the project: this file runs in .cache/processes/test/planted. */
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const COMPILED = join(ROOT, ".cache/processes");
const PLANTED = join(ROOT, ".cache/planted");
const DOCUMENT = join(ROOT, "docs/reliability.md");
const [BEGIN, END] = ["<!-- planted bugs -->\n", "<!-- end of planted bugs -->"];

type Found = { readonly bug: PlantedBug; readonly seed: number | undefined; readonly invariant: string };

/** Compiles the product with the bug in it; returns the campaign's program. */
function plant({ name, edits }: PlantedBug): string {
  const directory = join(PLANTED, name);
  const compiled = join(directory, "compiled");
  rmSync(directory, { recursive: true, force: true });
  cpSync(COMPILED, compiled, { recursive: true });
  const sources = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const source = sources.get(file) ?? readFileSync(join(ROOT, file), "utf8");
    if (source.split(find).length !== 2)
      throw new Error(`${name}: ${file} does not have the text that is to be replaced`);
    sources.set(
      file,
      source.replace(find, () => replace),
    );
  }
  for (const [file, source] of sources) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), source);
  }
  // Its imports need not be there: what is not checked is only stripped of its types.
  const config = {
    extends: join(ROOT, "tsconfig.processes.json"),
    compilerOptions: { rootDir: directory, outDir: compiled, noCheck: true, noResolve: true },
    include: [join(directory, "src")],
    exclude: [],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(ROOT, "node_modules/.bin/tsc");
  execFileSync(compiler, ["-p", join(directory, "tsconfig.json")], { cwd: ROOT, stdio: "inherit" });
  return join(compiled, "test/campaign/main.js");
}

/** The first of the seeds with which the campaign finds the bug. */
function hunt(bug: PlantedBug, from: number, seeds: number, workers: number): Found {
  const program = plant(bug);
  const options = ["--from", `${from}`, "--seeds", `${seeds}`, "--workers", `${workers}`, "--json", "--no-shrink"];
  const { status, stdout, stderr } = spawnSync("node", [program, ...options], { encoding: "utf8", maxBuffer: 2 ** 28 });
  rmSync(join(PLANTED, bug.name), { recursive: true, force: true });
  if (status !== 0 && status !== 1) throw new Error(`${bug.name}: the campaign ended with ${status}:\n${stderr}`);
  const { failures } = JSON.parse(stdout) as { readonly failures: { seed: number; invariant: string }[] };
  const [first] = failures;
  return { bug, seed: first?.seed, invariant: first?.invariant ?? "" };
}

type Row = { readonly seed: number; readonly invariant: string };

/** What the document has, by bug. */
function written(): Map<string, Row> {
  const rows = readFileSync(DOCUMENT, "utf8").matchAll(/^\| `([a-z-]+)` \|.*\| (\d+) \| (.*) \|$/gm);
  return new Map([...rows].map(([, name = "", seed, invariant = ""]) => [name, { seed: Number(seed), invariant }]));
}

/** The highest seed in the table of a bug that is found soon. */
const SOON = 5;
/** Seeds that such a bug is looked for with: another seed may find it first after any change. */
const SOME_SEEDS = 40;

/** For each invariant the bug that breaks it soonest: not the same seeds as in the table, so that no change makes them out of date. */
function soonFound(rows: ReadonlyMap<string, Row>): PlantedBug[] {
  const soonest = new Map<string, string>();
  for (const [name, { seed, invariant }] of rows) {
    const before = rows.get(soonest.get(invariant) ?? "");
    if (seed <= SOON && (before === undefined || seed < before.seed)) soonest.set(invariant, name);
  }
  const names = new Set(soonest.values());
  return PLANTED_BUGS.filter(({ name }) => names.has(name));
}

function tableOf(found: readonly Found[]): string {
  const rows = found.map(
    ({ bug, seed, invariant }) => `| \`${bug.name}\` | ${bug.what} | ${seed ?? "not found"} | ${invariant} |\n`,
  );
  return `| bug | what goes wrong | seed | what it breaks |\n| --- | --- | --- | --- |\n${rows.join("")}`;
}

function write(found: readonly Found[]): void {
  const text = readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error("docs/reliability.md has no place for the table");
  writeFileSync(DOCUMENT, text.slice(0, begin + BEGIN.length) + tableOf(found) + text.slice(end));
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  process.stderr.write(`not a whole number above 0: ${text}\n`);
  process.exit(2);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      bug: { type: "string" },
      seeds: { type: "string", default: "1000" },
      workers: { type: "string", default: "2" },
      write: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      some: { type: "boolean", default: false },
    },
  });
  const [known, options] = [written(), { seeds: whole(values.seeds), workers: whole(values.workers) }];
  const { bug: name } = values;
  const bugs = values.some ? soonFound(known) : PLANTED_BUGS.filter((bug) => name === undefined || bug.name === name);
  if (bugs.length === 0 || (values.write && bugs.length < PLANTED_BUGS.length)) {
    process.stderr.write(bugs.length === 0 ? "there is no such bug\n" : "--write is for all of them\n");
    process.exit(2);
  }
  const tried = values.check ? bugs.filter((bug) => known.has(bug.name)) : bugs;
  const found = tried.map((bug) => {
    const row = values.check ? known.get(bug.name) : undefined;
    const { seeds, workers } = values.some ? { seeds: SOME_SEEDS, workers: 1 } : options;
    const one = row === undefined ? hunt(bug, 1, seeds, workers) : hunt(bug, row.seed, 1, 1);
    const said = one.seed === undefined ? "NOT FOUND" : `seed ${one.seed}: ${one.invariant}`;
    process.stderr.write(`${bug.name}: ${said}\n`);
    return one;
  });
  if (values.write) write(found);
  else if (!values.check && !values.some) process.stdout.write(tableOf(found));
  const missed = found.filter(({ seed }) => seed === undefined).length;
  process.stderr.write(`${found.length - missed} of ${found.length} planted bugs found\n`);
  if (missed > 0) process.exitCode = 1;
}

main();
