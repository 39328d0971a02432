import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** The command in a process of its own. */
function campaign(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [".cache/processes/test/campaign/main.js", ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** Of different themes. */
const SEEDS = [1, 2, 3];

it("replays a seed in another process, to the byte", () => {
  for (const seed of SEEDS) {
    const [one, again] = [campaign("--seed", `${seed}`, "--json"), campaign("--seed", `${seed}`, "--json")];
    expect(one).toMatchObject({ status: 0, stdout: expect.stringMatching(/"digest":"[0-9a-f]{64}"/) });
    expect(again.stdout).toBe(one.stdout);
  }
});

it("runs seeds in several processes and says what became of them", () => {
  const { status, stdout, stderr } = campaign("--seeds", "6", "--from", "11", "--workers", "2", "--json");
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ seeds: 6, from: 11, failures: [] });
});

it("replays what is left of a schedule, and refuses what is no number", () => {
  expect(campaign("--seed", "2", "--keep", "none", "--no-shrink").status).toBe(0);
  expect(campaign("--seed", "2", "--keep", "0,3,5", "--trace").stdout).toMatch(/^2\. /m);
  expect(campaign("--seeds", "many")).toMatchObject({ status: 2, stderr: "not a whole number: many\n" });
});
