// What is done about every output of a transaction that spends an anchor, and which tests show it. Usage: node
// scripts/resolution.mjs [--check]
//
// The cells are below; a test names the cell that it covers in its title: "[case ours/offered/standing/known]", or "[case
// peers,older/...]" for more than one, with " +restart" before the bracket where it also runs with a restart before each block. Writes docs/resolution.md. --check
// writes nothing, and fails where the document is not current. A title that names no cell fails either way.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENT = "docs/resolution.md";
const CASE = /\[case ([a-z,-]+)\/([a-z/-]+)( \+restart)?\]/g;

const read = (path) => readFileSync(join(root, path), "utf8");

const FINAL = "nothing on chain; reported as failed 6 blocks after the commitment";
const THEIR_TIMEOUT = "left: the peer's after its expiry";
const NOTHING = "nothing";

/** A commitment of the peer's that it has not revoked: which of several it is makes no difference. */
const ofPeers = {
  "to-self": "left: the peer's after the delay",
  "to-other": "nothing to do: pays our final key",
  "offered/standing/unknown": "claimed after its expiry; reported as failed 6 blocks later",
  "offered/standing/known":
    "left: the peer's with the preimage, after the delay; the preimage is used at once, from the mempool too",
  "offered/fulfilling/known": "left: the peer's after the delay; claimed after its expiry if the peer doesn't",
  "offered/failing/unknown": "claimed after its expiry; reported as failed 6 blocks later",
  "offered/absent/known": "nothing: paid, as the peer said",
  "offered/absent/unknown": FINAL,
  "offered/dust/unknown": FINAL,
  "received/standing/unknown": THEIR_TIMEOUT,
  "received/standing/known": "claimed at once, alone when its deadline is near",
  "received/fulfilling/known": "claimed at once, alone when its deadline is near",
  "received/failing/unknown": THEIR_TIMEOUT,
  "received/absent/known": "nothing: paid to us in to-other",
  "received/absent/unknown": NOTHING,
  "received/dust/unknown": NOTHING,
};

/** An older commitment still has what was removed since, so that nothing is gone from it. */
const older = Object.fromEntries(
  Object.entries(ofPeers).filter(([key]) => !/absent\/known|received\/absent/.test(key)),
);
/** The newest of several has nothing whose removal is staged: where we signed after it, it is gone. */
const newer = Object.fromEntries(Object.entries(ofPeers).filter(([key]) => !/fulfilling|failing/.test(key)));

const CASES = {
  ours: {
    "to-self": "claimed after the delay",
    "to-other": "left: pays the peer's final key",
    "offered/standing/unknown": "claimed after its expiry and the delay; reported as failed 6 blocks later",
    "offered/standing/known":
      "left: the peer's with the preimage, at once; the preimage is used at once, from the mempool too",
    "offered/fulfilling/known": "left: the peer's at once; claimed after expiry and delay if the peer doesn't",
    "offered/failing/unknown": "claimed after its expiry and the delay; reported as failed 6 blocks later",
    "offered/absent/unknown": FINAL,
    "offered/dust/unknown": FINAL,
    "received/standing/unknown": THEIR_TIMEOUT,
    "received/standing/known": "claimed after the delay",
    "received/fulfilling/known": "claimed after the delay",
    "received/failing/unknown": THEIR_TIMEOUT,
    "received/dust/unknown": NOTHING,
  },
  peers: older,
  older,
  newer,
  revoked: {
    "to-self": "claimed at once",
    "to-other": "nothing to do: pays our final key",
    "offered/standing/unknown": "claimed at once; reported as failed 6 blocks later",
    "offered/standing/known": "claimed at once",
    "offered/settled/known": "claimed at once",
    "offered/settled/unknown": "claimed at once",
    "offered/absent/unknown": FINAL,
    "offered/dust/unknown": FINAL,
    "received/standing/unknown": "claimed at once",
    "received/standing/known": "claimed at once",
    "received/settled/known": "claimed at once",
    "received/settled/unknown": "claimed at once",
    "received/dust/unknown": NOTHING,
  },
  "ours-revoked": {
    "to-self": "left: the peer's, at once; an old copy of our data was at work",
    "to-other": "left: pays the peer's final key",
  },
  close: { "to-self": "nothing to do: pays our close script", "to-other": "left: pays the peer's close script" },
  unknown: {
    "to-self": "left: the peer's after the delay",
    "to-other": "nothing to do: pays our final key",
    "offered/standing/unknown": "nothing: what the commitment holds is not known",
    "received/standing/known": "nothing: what the commitment holds is not known",
  },
};

const TITLES = {
  ours: "Our newest commitment",
  peers: "The peer's commitment, the only one that it has not revoked",
  older: "The peer's, the older of two that we signed and it has not revoked",
  newer: "The peer's, the newer of two that we signed and it has not revoked",
  revoked: "The peer's, revoked",
  "ours-revoked": "Ours, revoked",
  close: "A close",
  unknown: "A commitment that we know nothing of",
};

function testFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => /\.test\.ts$|-suite\.ts$/.test(path))
    .sort();
}

const unknown = [];
/** Cell to the files that name it, without and with a restart. */
const tests = new Map();
for (const [spend, cells] of Object.entries(CASES)) {
  for (const cell of Object.keys(cells)) tests.set(`${spend}/${cell}`, { plain: new Set(), restart: new Set() });
}
for (const path of [...testFiles("src"), ...testFiles("test")]) {
  for (const [, spends, output, restart] of read(path).matchAll(CASE)) {
    for (const cell of spends.split(",").map((spend) => `${spend}/${output}`)) {
      const covered = tests.get(cell);
      covered?.plain.add(path);
      if (restart !== undefined) covered?.restart.add(path);
      if (covered === undefined)
        unknown.push(`${path} names the case ${cell}, which is none of scripts/resolution.mjs`);
    }
  }
}
for (const line of unknown) console.error(line);
if (unknown.length > 0) process.exitCode = 1;

function links(paths) {
  return paths.size === 0 ? "**none**" : [...paths].map((path) => `[${path.split("/").at(-1)}](../${path})`).join(", ");
}

function section([spend, cells]) {
  const rows = Object.entries(cells).map(([cell, done]) => {
    const [output, stage = "", preimage = ""] = cell.split("/");
    const { plain, restart } = tests.get(`${spend}/${cell}`);
    return `| ${output} | ${stage} | ${preimage} | ${done} | ${links(plain)} | ${links(restart)} |`;
  });
  const head = "| output | HTLC | preimage | what is done | tests | with a restart at each block |";
  return `## ${TITLES[spend]}\n\n${[head, "| --- | --- | --- | --- | --- | --- |", ...rows].join("\n")}`;
}

const text = `${[
  "# What becomes of each output",
  "<!-- Written by `npm run resolution`. Change the cells there or the tests, not this file. -->",
  `What a node does about every output of a transaction that spends an anchor, and which tests show it. The rules are in
[protocol.md](protocol.md), section 9. An HTLC is *offered* by us or *received*; *standing*: no removal was said;
*fulfilling*, *failing*: its removal was said, and this commitment still has it; *settled*: its removal was final before the
transaction appeared; *absent*: this commitment does not have it, others do; *dust*: it is worth no output. The preimage is
*known* when we learn it at the latest while the HTLC waits on chain; of an HTLC that we offered, the peer knows it.
Tests of a \`-suite\` run on the embedded chain and on a real Bitcoin node.`,
  ...Object.entries(CASES).map(section),
].join("\n\n")}\n`;

const all = [...tests.values()];
if (!process.argv.includes("--check")) {
  writeFileSync(join(root, DOCUMENT), text);
  const bare = [...tests].filter(([, { plain }]) => plain.size === 0).map(([cell]) => cell);
  const share = `${all.length - bare.length} of ${all.length} cells have a test`;
  console.log(`${share}${bare.length > 0 ? `; none for ${bare.join(", ")}` : ""}`);
} else if (!existsSync(join(root, DOCUMENT)) || read(DOCUMENT) !== text) {
  console.error(`${DOCUMENT} is not current: run \`npm run resolution\` and commit the result`);
  process.exitCode = 1;
} else console.log(`${DOCUMENT} is current`);
