// Which tests prove which rule. Usage: node scripts/requirements.mjs [--check]
//
// The rules are in docs/requirements/rules.json; a test names the rule it proves in its title: it("[B2-30] ..."). Writes
// docs/requirements.md and prints the rules that no test names. --check writes nothing, and fails where the document is
// not current. A title that names an unknown rule fails either way.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENT = "docs/requirements.md";
const RULE = /\[([A-Z][A-Z0-9]-\d+)\]/g;
/** The title of a test or of a group of tests: the string that is the first argument, whatever stands before it. */
const TITLE = /\b(?:it|test|describe)\b(?:\.\w+)*(?:\((?:[^()]|\([^()]*\))*\))?\(\s*(["'`])((?:\\.|(?!\1)[\s\S])*)\1/g;

const read = (path) => readFileSync(join(root, path), "utf8");
const { seeds, rules } = JSON.parse(read("docs/requirements/rules.json"));

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".test.ts") || (folder === "test" && /-suite\.ts$/.test(path)))
    .sort();
}

/** Rule id to the files whose tests name it. */
const proofs = new Map(rules.map(({ id }) => [id, []]));
const unknown = [];
for (const path of [...testFiles("src"), ...testFiles("test")]) {
  const named = new Set();
  for (const [, , title] of read(path).matchAll(TITLE)) for (const [, id] of title.matchAll(RULE)) named.add(id);
  for (const id of named) {
    if (proofs.has(id)) proofs.get(id).push(path);
    else unknown.push(`${path} names ${id}, which is no rule of docs/requirements/rules.json`);
  }
}

function of(seed) {
  return rules.filter(({ id }) => id.startsWith(`${seed.prefix}-`));
}

function section(seed) {
  const rows = of(seed).map(({ id, level, text }) => {
    const files = proofs.get(id).map((path) => `[${path.split("/").at(-1)}](../${path})`);
    return `| ${id} | ${level} | ${text} | ${files.join(", ")} |`;
  });
  return [
    `## ${seed.prefix}: ${seed.title}`,
    `Seed ${seed.seed}: ${seed.source}.`,
    ["| id | level | rule | tests in |", "| --- | --- | --- | --- |", ...rows].join("\n"),
  ].join("\n\n");
}

const text = `${[
  "# Requirements and the tests that prove them",
  "<!-- Written by `npm run requirements`. Change docs/requirements/rules.json or the tests, not this file. -->",
  `Sluice is built from five seed documents: early protocol drafts and notes. Every rule that they lay down is here in our
own words, under a number. A test that proves a rule names it in its title: \`it("[B2-30] ...")\`. Where seeds disagree,
or where we depart from one, [decisions/](decisions/) says how and why.`,
  "A rule whose last column is empty is not implemented yet, or has no test of its own yet.",
  ...seeds.map(section),
].join("\n\n")}\n`;

for (const line of unknown) console.error(line);
if (unknown.length > 0) process.exitCode = 1;
if (!process.argv.includes("--check")) {
  writeFileSync(join(root, DOCUMENT), text);
  for (const seed of seeds) {
    const all = of(seed);
    const without = all.filter(({ id }) => proofs.get(id).length === 0).map(({ id }) => id);
    const share = `${all.length - without.length} of ${all.length} named by a test`;
    console.log(
      `${seed.prefix} (seed ${seed.seed}): ${share}${without.length > 0 ? `; none for ${without.join(", ")}` : ""}`,
    );
  }
} else if (!existsSync(join(root, DOCUMENT)) || read(DOCUMENT) !== text) {
  console.error(`${DOCUMENT} is not current: run \`npm run requirements\` and commit the result`);
  process.exitCode = 1;
} else console.log(`${DOCUMENT} is current`);
