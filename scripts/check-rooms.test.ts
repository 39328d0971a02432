import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const project = fileURLToPath(new URL("..", import.meta.url));
const fixture = join(project, "test/fixtures/boundaries");

/** Path and first line, `violates: ...`, of every file of the fixture. */
const expected = readdirSync(fixture, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const [, violates] = /^\/\/ violates: (.*)$/m.exec(readFileSync(join(fixture, path), "utf8")) ?? [];
    if (violates === undefined) throw new Error(`${path} does not say what it violates`);
    return { path, violates };
  });

const folder = mkdtempSync(join(tmpdir(), "sluice-boundaries-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What biome says of the fixture under the project's own rules: pairs of path and rule, each once. */
function lint(): string[] {
  const script = join(project, "lint/rooms.gen.mjs");
  const rules = JSON.parse(execFileSync(process.execPath, [script, "--print"], { encoding: "utf8" }));
  // The folder is no repository, and what it holds is not excluded here.
  writeFileSync(join(folder, "biome.json"), JSON.stringify({ ...rules, vcs: {}, files: {} }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies: { "better-sqlite3": "*" } }));
  cpSync(join(project, "lint"), join(folder, "lint"), { recursive: true });
  cpSync(join(fixture, "src"), join(folder, "src"), { recursive: true });
  const biome = join(project, "node_modules/@biomejs/biome/bin/biome");
  const run = spawnSync(process.execPath, [biome, "lint", "--reporter=json", "--max-diagnostics=none", "src"], {
    cwd: folder,
    encoding: "utf8",
  });
  const { diagnostics } = JSON.parse(run.stdout) as {
    diagnostics: { category: string; location: { path: string | { file: string } } }[];
  };
  const found = diagnostics.map(({ category, location: { path } }) => {
    const file = typeof path === "string" ? path : path.file;
    return `${file} ${category}`;
  });
  return [...new Set(found)].sort();
}

it("the lint reports every deliberate violation of the rooms, and nothing else", () => {
  const wanted = expected
    .filter(({ violates }) => !violates.startsWith("nothing") && !violates.startsWith("check-rooms"))
    .map(({ path, violates }) => `${path} ${violates}`);
  expect(wanted.length).toBeGreaterThan(10);
  expect(lint()).toEqual(wanted.sort());
});

it("check-rooms reports what the lint does not see, and nothing else", () => {
  const script = join(project, "scripts/check-rooms.mjs");
  const run = spawnSync(process.execPath, [script, fixture], { encoding: "utf8" });
  expect(run.status).toBe(1);
  const complaints = run.stderr.trim().split("\n");
  const wanted = expected.filter(({ violates }) => violates.startsWith("check-rooms: "));
  for (const { path, violates } of wanted) {
    const what = violates.replace("check-rooms: ", "");
    const place = what === "without a rule" ? path.replace("/index.ts", "") : path;
    expect(complaints.filter((line) => line.startsWith(place) && line.includes(what))).toHaveLength(1);
  }
  // Some of what the lint reports is seen here too, but nothing that is allowed.
  const allowed = expected.filter(({ violates }) => violates.startsWith("nothing"));
  for (const { path } of allowed) expect(complaints.filter((line) => line.startsWith(path))).toEqual([]);
});

it("check-rooms finds nothing in the project", () => {
  const run = spawnSync(process.execPath, [join(project, "scripts/check-rooms.mjs")], { encoding: "utf8" });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});
