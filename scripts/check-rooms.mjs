// What biome does not see of the rooms' rules (docs/architecture.md). Usage: node scripts/check-rooms.mjs [FOLDER]
//
// - a type written import("...") or a dynamic import, and createRequire: both get past the lint's import rules;
// - an import that reaches past another room's index.ts;
// - a room for which lint/rooms.gen.mjs has no rule.
//
// FOLDER holds src/ (by default the project). Prints one line per violation; exit code 1 where there is one.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("..", import.meta.url));
const root = process.argv[2] ?? project;
const posix = (path) => path.split(sep).join("/");

/** Where createRequire may be called: the native signature library is no ES module. */
const MAY_REQUIRE = ["src/core/crypto/"];
/** Folders whose children are rooms. The ports are one room of single files, without an index. */
const GROUPS = ["src/core", "src/adapters", "src/api"];

function sources(folder) {
  const found = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(entry.name === "gen" ? [] : sources(path)));
    else if (path.endsWith(".ts")) found.push(path);
  }
  return found.sort();
}

/** The room of a path: src/core/wire for src/core/wire/packet.ts. */
function roomOf(path) {
  const parts = path.split("/");
  return parts.slice(0, GROUPS.includes(parts.slice(0, 2).join("/")) ? 3 : 2).join("/");
}

/** The text with what stands in comments made blank, line by line, so that numbers of lines stay. */
function withoutComments(text) {
  const blank = (comment) => comment.replace(/[^\n]/g, " ");
  return text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/.*$/gm, blank);
}

const violations = [];

for (const path of sources("src")) {
  const text = withoutComments(readFileSync(join(root, path), "utf8"));
  const report = (index, message) => {
    const line = text.slice(0, index).split("\n").length;
    violations.push(`${path}:${line} ${message}`);
  };
  // A package that only some need may be loaded late, but for the core; a room may not.
  const late = path.startsWith("src/core/") ? /\bimport\s*\(/g : /\bimport\s*\((?!"[@a-z][^":]*"\))/g;
  for (const { index } of text.matchAll(late)) report(index, "import(...) hides an import from the lint");
  if (!MAY_REQUIRE.some((place) => path.startsWith(place))) {
    const index = text.search(/\bcreateRequire\b/);
    if (index !== -1) report(index, "createRequire hides an import from the lint");
  }
  for (const { index, 1: specifier } of text.matchAll(/\bfrom\s*"(\.[^"]*)"/g)) {
    const target = posix(normalize(join(dirname(path), specifier)));
    const room = roomOf(target);
    if (room === roomOf(path) || room === "src/ports" || target === `${room}/index.ts`) continue;
    if (target.startsWith("src/"))
      report(index, `imports ${target}, which is inside another room: use ${room}/index.ts`);
  }
}

const rules = JSON.parse(
  execFileSync(process.execPath, [join(project, "lint/rooms.gen.mjs"), "--print"], { encoding: "utf8" }),
);
const ruled = new Set(rules.overrides.flatMap(({ includes }) => includes));
for (const group of ["src", ...GROUPS]) {
  if (!existsSync(join(root, group))) continue;
  for (const entry of readdirSync(join(root, group), { withFileTypes: true })) {
    const room = `${group}/${entry.name}`;
    if (!entry.isDirectory() || GROUPS.includes(room) || ruled.has(`${room}/**`)) continue;
    violations.push(`${room} is a room without a rule: add it to lint/rooms.gen.mjs`);
  }
}

for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
else
  console.log(
    `rooms: ${relative(process.cwd(), join(root, "src")) || "src"} keeps the rules that the lint does not see`,
  );
