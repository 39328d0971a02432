// Generates code: of proto/ into src/core/wire/gen, and of the sources of the ready-made contracts a module that holds them as texts.
// Usage: node scripts/generated.mjs [--check]
//
// --check generates into a folder that is thrown away, and fails where the committed code differs.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const contracts = "src/core/contract-channel/ready-made";

function generateMessages(output) {
  execFileSync("npx", ["--no-install", "buf", "generate", "--output", output], { cwd: root, stdio: "inherit" });
}

/** `hashlock-expiry.fs` becomes the constant `hashlockExpirySource`. */
function constantOf(name) {
  return `${basename(name, ".fs").replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase())}Source`;
}

function generateSources(output) {
  const folder = join(root, contracts, "sources");
  const constants = readdirSync(folder)
    .filter((name) => name.endsWith(".fs"))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name), "utf8").replaceAll(/[\\`$]/g, "\\$&");
      return `export const ${constantOf(name)} = \`${text}\`;\n`;
    });
  mkdirSync(join(output, contracts, "gen"), { recursive: true });
  const heading = "// Written by `npm run generate` from the files in ../sources. Change those.\n\n";
  writeFileSync(join(output, contracts, "gen/sources.ts"), heading + constants.join("\n"));
}

const GENERATED = [
  { place: "src/core/wire/gen", from: "proto/", generate: generateMessages },
  { place: `${contracts}/gen`, from: `${contracts}/sources`, generate: generateSources },
];

function contents(folder) {
  const names = readdirSync(folder).sort();
  return JSON.stringify(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

if (process.argv.includes("--check")) {
  const output = mkdtempSync(join(tmpdir(), "sluice-generated-"));
  try {
    for (const { place, from, generate } of GENERATED) {
      generate(output);
      if (contents(join(output, place)) === contents(join(root, place))) console.log(`${place} is current`);
      else {
        console.error(`${place} is not what ${from} generates: run \`npm run generate\` and commit the result`);
        process.exitCode = 1;
      }
    }
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
} else for (const { generate } of GENERATED) generate(root);
