import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The command as it is published. */
export const COMMAND: string = join(ROOT, "dist/cli/main.js");

/** Compiles it where its sources are newer. */
export function compileCommand(): void {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
  const newest = Math.max(...files.map((file) => statSync(join(ROOT, "src", file)).mtimeMs));
  if (existsSync(COMMAND) && statSync(COMMAND).mtimeMs > newest) return;
  const built = spawnSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: ROOT, encoding: "utf8" });
  if (built.status !== 0) throw new Error(`the command does not compile:\n${built.stdout}`);
}
