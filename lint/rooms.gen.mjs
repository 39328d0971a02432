// The rooms and who may import whom, as biome's configuration. Usage:
//
//   node lint/rooms.gen.mjs            writes biome.json
//   node lint/rooms.gen.mjs --check    fails where biome.json is not what it would write
//   node lint/rooms.gen.mjs --print    prints the configuration
//
// docs/architecture.md says why the rooms are these. scripts/check-rooms.mjs covers what biome does not see.
import { readFileSync, writeFileSync } from "node:fs";

const all = ["base", "crypto", "wire", "bitcoin", "vm", "payment-channel", "contract-channel", "routing", "payment"];
const outer = ["ports", "adapters", "node", "api", "cli", "testing"];
const core = {
  base: [],
  crypto: ["base"],
  wire: ["base", "crypto"],
  bitcoin: ["base", "crypto"],
  vm: ["base", "crypto"],
  "payment-channel": ["base", "crypto", "wire", "bitcoin"],
  "contract-channel": ["base", "crypto", "wire", "vm"],
  routing: ["base", "wire"],
  payment: ["base", "crypto", "wire", "routing"],
};
const rule = (includes, group, message) => ({
  includes: [...includes, "!**/*.test.ts"],
  linter: {
    rules: { style: { noRestrictedImports: { level: "error", options: { patterns: [{ group, message }] } } } },
  },
});
const g = (n) => `**/${n}/**`;
const pkgs = ["better-sqlite3", "fastify", "ws", "pino", "prom-client", "commander", "zod", "vitest", "fast-check"];
const overrides = [
  { includes: ["**/*.config.ts"], linter: { rules: { style: { noDefaultExport: "off" } } } },
  {
    includes: ["src/core/**", "!**/*.test.ts"],
    plugins: ["./lint/core-is-pure.grit"],
    linter: {
      rules: {
        style: {
          noRestrictedGlobals: {
            level: "error",
            options: {
              deniedGlobals: {
                Date: "time is in the context",
                performance: "core has no clock",
                setTimeout: "timers are effects",
                setInterval: "timers are effects",
                setImmediate: "core is synchronous",
                queueMicrotask: "core is synchronous",
                console: "core has no logger",
                process: "core has no environment",
                crypto: "randomness is in the input",
                fetch: "core has no I/O",
                globalThis: "core has no ambient state",
              },
            },
          },
        },
      },
    },
  },
];
for (const [room, may] of Object.entries(core)) {
  const forbid = all
    .filter((r) => r !== room && !may.includes(r))
    .concat(outer)
    .map(g);
  const node = room === "crypto" ? ["node:*", "!node:crypto", "!node:module"] : ["node:*"];
  overrides.push(
    rule(
      [`src/core/${room}/**`],
      [...forbid, ...node, ...pkgs],
      `core/${room} imports only: ${may.join(", ") || "nothing"}`,
    ),
  );
}
overrides.push(
  rule(
    ["src/ports/**"],
    ["adapters", "node", "api", "cli", "testing"].map(g).concat(["node:*"]),
    "ports are interfaces over core types",
  ),
);
const ad = [
  "store-sqlite",
  "store-memory",
  "p2p-memory",
  "chain-bitcoind",
  "chain-embedded",
  "chain-esplora",
  "ledger-embedded",
  "ledger-http",
  "p2p-tcp",
  "system",
];
for (const a of ad)
  overrides.push(
    rule(
      [`src/adapters/${a}/**`],
      [...ad.filter((x) => x !== a), "node", "api", "cli", "testing"].map(g),
      "adapters import core and ports, never each other",
    ),
  );
overrides.push(rule(["src/node/**"], ["api", "cli", "testing"].map(g), "node imports core, ports and adapters"));
overrides.push(
  rule(["src/api/server/**"], ["cli", "testing", "adapters"].map(g), "the server sees the node, not its adapters"),
);
overrides.push(
  rule(
    ["src/api/client/**", "src/api/schema/**"],
    ["core", "ports", "adapters", "node", "cli", "testing", "server"].map(g).concat(["node:*"]),
    "the client runs in a browser",
  ),
);
overrides.push(rule(["src/testing/**"], ["api", "cli"].map(g), "the simulator imports node and adapters"));
overrides.push(
  rule(
    ["src/cli/**"],
    [...["core", "ports", "adapters"].map(g), "!**/core/vm/**"],
    "the command is a client of api; start and demo compose a node, vm uses the machine",
  ),
);
const cfg = {
  $schema: "./node_modules/@biomejs/biome/configuration_schema.json",
  vcs: { enabled: true, clientKind: "git", useIgnoreFile: true },
  files: { includes: ["**", "!**/*.md", "!**/gen", "!test/vectors", "!test/fixtures/boundaries"] },
  formatter: { indentStyle: "space", lineWidth: 120 },
  linter: {
    rules: {
      preset: "recommended",
      style: {
        noDefaultExport: "error",
        noEnum: "error",
        noNonNullAssertion: "error",
        useImportType: "error",
        useNodejsImportProtocol: "error",
      },
      suspicious: { noImportCycles: { level: "error", options: { ignoreTypes: false } }, noExplicitAny: "error" },
      correctness: { noUndeclaredDependencies: "error" },
      performance: { noReExportAll: "error" },
    },
  },
  overrides,
};
const text = JSON.stringify(cfg);
const place = new URL("../biome.json", import.meta.url);
if (process.argv.includes("--print")) console.log(text);
else if (!process.argv.includes("--check")) {
  writeFileSync(place, JSON.stringify(cfg, null, 2));
  console.log("biome.json written; format it with: npx biome check --write biome.json");
} else if (JSON.stringify(JSON.parse(readFileSync(place, "utf8"))) !== text) {
  console.error("biome.json is not what lint/rooms.gen.mjs makes: run `npm run rooms`");
  process.exitCode = 1;
}
