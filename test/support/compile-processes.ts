import { execFileSync } from "node:child_process";

/** Compiles the programs that tests run as processes of their own: Node 20 runs no TypeScript. */
export function setup(): void {
  execFileSync("npx", ["tsc", "-p", "tsconfig.processes.json"], { stdio: "inherit" });
}
