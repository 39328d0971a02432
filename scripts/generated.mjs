// Generates the code of proto/ into src/core/wire/gen. Usage: node scripts/generated.mjs [--check]
//
// --check generates into a folder that is thrown away, and fails where the committed code differs.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const place = "src/core/wire/gen";
const generate = (output) =>
  execFileSync("npx", ["--no-install", "buf", "generate", "--output", output], { cwd: root, stdio: "inherit" });

function contents(folder) {
  const names = readdirSync(folder).sort();
  return JSON.stringify(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

if (process.argv.includes("--check")) {
  const output = mkdtempSync(join(tmpdir(), "sluice-generated-"));
  try {
    generate(output);
    if (contents(join(output, place)) === contents(join(root, place))) console.log(`${place} is current`);
    else {
      console.error(`${place} is not what proto/ generates: run \`npm run generate\` and commit the result`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
} else generate(".");
