// Runs the commands that the documentation tells a reader to run. Usage: node scripts/doc-commands.mjs [--here | --check] [FILE ...]
//
// FILE is README.md and docs/guide/*.md unless given. They are run in order in a scratch copy of the files that git knows
// (so that `npm ci` there leaves this tree alone), or, with --here, in this folder; with --check nothing is run, and only the
// marks are looked at. Blocks of code are marked after the language:
//
//   ```sh run          the commands are run; the blocks of one file share a shell, as a reader's terminal would
//   ```sh bitcoind     the same, with the bitcoind of the environment variable BITCOIND on PATH; left out without it
//   ```sh example      for reading only: it needs what a test can't have
//   ```js examples/x.mjs   is a part of that file, line by line
//
// A block of shell commands without a mark is an error. Exit code 1: a command failed, or a block is not as it says.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** For all commands of one file. */
const LIMIT_MS = 15 * 60_000;
const SHELLS = ["sh", "bash", "shell", "console"];

const here = process.argv.includes("--here");
const check = process.argv.includes("--check");
const named = process.argv.slice(2).filter((argument) => !["--here", "--check"].includes(argument));
const guide = existsSync(join(root, "docs/guide")) ? readdirSync(join(root, "docs/guide")).sort() : [];
const files = named.length > 0 ? named : ["README.md", ...guide.map((name) => `docs/guide/${name}`)];

function blocksOf(file) {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/^```(\w+)[ \t]*(.*)\n([\s\S]*?)^```$/gm)].map(
    ({ index, 1: language, 2: mark, 3: code }) => ({
      place: `${file}:${text.slice(0, index).split("\n").length}`,
      language,
      mark: mark.trim(),
      code,
    }),
  );
}

/** Why the block is not what it says, or undefined. */
function problemOf({ place, language, mark, code }) {
  if (SHELLS.includes(language)) {
    return ["run", "bitcoind", "example"].includes(mark) ? undefined : `${place}: mark it run, bitcoind or example`;
  }
  if (!mark.includes("/")) return undefined;
  const source = existsSync(join(root, mark)) ? readFileSync(join(root, mark), "utf8") : "";
  return `\n${source}`.includes(`\n${code}`) ? undefined : `${place}: this is not a part of ${mark}`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** One script for all blocks of a file; each is announced before it is run. */
function scriptOf(blocks, bitcoind) {
  const parts = ["set -euo pipefail"];
  for (const { place, mark, code } of blocks) {
    if (mark === "bitcoind" && bitcoind === undefined)
      parts.push(`echo ${quoted(`-- ${place}: left out, BITCOIND is not set`)}`);
    else parts.push(`echo ${quoted(`-- ${place}\n${code.trimEnd()}`)}`, code);
  }
  return parts.join("\n");
}

async function run(script, cwd, bitcoind) {
  const path = bitcoind === undefined ? process.env.PATH : `${dirname(bitcoind)}${delimiter}${process.env.PATH}`;
  const shell = spawn("bash", ["-c", script], {
    cwd,
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: path },
  });
  const limit = setTimeout(() => process.kill(-shell.pid, "SIGKILL"), LIMIT_MS);
  const [code, signal] = await once(shell, "exit");
  clearTimeout(limit);
  try {
    // What the reader would end by closing the terminal.
    process.kill(-shell.pid, "SIGTERM");
  } catch {
    // Nothing was left running.
  }
  return code ?? signal;
}

function scratchCopy() {
  const folder = mkdtempSync(join(tmpdir(), "sluice-doc-commands-"));
  const known = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const path of known
    .toString()
    .split("\0")
    .filter((name) => name !== "" && existsSync(join(root, name)))) {
    cpSync(join(root, path), join(folder, path));
  }
  return folder;
}

const documents = files.map((file) => ({ file, blocks: blocksOf(file) }));
const problems = documents.flatMap(({ blocks }) => blocks.map(problemOf)).filter((problem) => problem !== undefined);
for (const problem of problems) console.error(problem);
if (problems.length > 0 || check) process.exit(problems.length > 0 ? 1 : 0);

const bitcoind = process.env.BITCOIND === "" ? undefined : process.env.BITCOIND;
const cwd = here ? root : scratchCopy();
try {
  for (const { file, blocks } of documents) {
    const runnable = blocks.filter(({ language, mark }) => SHELLS.includes(language) && mark !== "example");
    if (runnable.length === 0) continue;
    const ended = await run(scriptOf(runnable, bitcoind), cwd, bitcoind);
    if (ended === 0) continue;
    console.error(`${file}: the commands after the last "--" above ended with ${ended}`);
    process.exitCode = 1;
    break;
  }
} finally {
  if (!here) rmSync(cwd, { recursive: true, force: true });
}
