// Adds up vitest's reports in JSON. Usage: node scripts/test-summary.mjs FOLDER [--no-skips]
//
// Prints `N passed, N failed` and the skipped tests. With --no-skips a skipped test, or no test at all, is exit code 1.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const [folder, option] = process.argv.slice(2);
const reports = readdirSync(folder).sort();
const files = reports.flatMap((name) => JSON.parse(readFileSync(join(folder, name), "utf8")).testResults);
const tests = files.flatMap(({ name, assertionResults }) => assertionResults.map((test) => ({ file: name, ...test })));
const passed = tests.filter(({ status }) => status === "passed").length;
// A file that can't even be loaded has no tests to count.
const broken = files.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
).length;
const failed = tests.filter(({ status }) => status === "failed").length + broken;
const skipped = tests.filter(({ status }) => status !== "passed" && status !== "failed");
for (const { file, fullName } of skipped) console.log(`skipped: ${relative(process.cwd(), file)}: ${fullName}`);
const skips = skipped.length === 0 ? "" : `, ${skipped.length} skipped`;
console.log(`${passed} passed, ${failed} failed${skips}`);
if (option === "--no-skips" && (skipped.length > 0 || passed === 0)) process.exitCode = 1;
