// Adds to package-lock.json the optional per-platform packages that the registry at hand did not serve,
// so that `npm ci` finds the lock complete on every platform. Run after every `npm install`.
import { readFileSync, writeFileSync } from "node:fs";

const path = "package-lock.json";
const lock = JSON.parse(readFileSync(path, "utf8"));
const systems = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
  "wasi",
  "wasm32",
];
const processors = [
  "arm64",
  "arm",
  "armv7",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "ppc64le",
  "riscv64",
  "s390x",
  "x64",
];
const added = [];
for (const [at, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    let found = false;
    for (let base = at; ; base = base.replace(/(^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/, "")) {
      if (lock.packages[`${base ? `${base}/` : ""}node_modules/${name}`]) found = true;
      if (found || base === "") break;
    }
    if (found) continue;
    const words = name.split(/[/\-_.]/);
    const os = systems.find((word) => words.includes(word)) ?? "none";
    const cpu = processors.find((word) => words.includes(word)) ?? (words.includes("universal") ? undefined : "none");
    lock.packages[`node_modules/${name}`] = {
      version: String(range).replace(/^[^\d]*/, ""),
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      os: [os],
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} added: ${added.join(" ")}`);
