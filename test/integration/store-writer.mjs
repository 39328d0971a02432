// Commits batches until it is killed, and says the number of each one that is durable. A program of its own, run by
// store-kill.test.ts: node store-writer.mjs <compiled store-sqlite/index.js> <directory>
import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, directory] = process.argv.slice(2);
const { openSqliteStore } = await import(pathToFileURL(module).href);
const store = await openSqliteStore({ directory });

const bytes = (length, seed) => new Uint8Array(length).fill(seed % 251);
const ofChannel = (change) => ({ type: "channel", channel: 1, change });

/** Batch n: htlcs 2n of which the one before is removed, totals, and 20 packets of which the ones before are pruned. */
function batch(n) {
  const htlc = {
    id: BigInt(2 * n),
    offerer: "local",
    amountMsat: BigInt(n),
    paymentHash: bytes(32, n),
    expiry: n,
    route: bytes(200, n),
    requestNumber: 0,
    addNumber: n,
    removal: undefined,
    removedBy: "remote",
    removeNumber: 0,
  };
  const totals = {
    localMsat: BigInt(n),
    remoteMsat: 0n,
    localLastId: BigInt(2 * n),
    remoteLastId: -1n,
    localUnrevoked: n,
    remoteUnrevoked: 0,
    settledUpTo: { local: n, remote: n },
  };
  const commitment = {
    holder: "local",
    number: n,
    coverage: { local: n, remote: n },
    feeRate: 1000,
    revocationHash: bytes(32, n),
    signature: bytes(64, n),
    localMsat: n,
    remoteMsat: 0,
    htlcs: 1,
  };
  const removal = { type: "fulfilled", preimage: bytes(32, n) };
  const first =
    n === 1
      ? creation()
      : [ofChannel({ type: "htlc_removed", id: BigInt(2 * n - 2), removal, removedBy: "remote", removeNumber: n })];
  const packets = Array.from({ length: 20 }, (_, i) => ({
    peer: 1,
    number: 20 * n + i,
    acknowledge: n,
    packet: bytes(1000, n),
  }));
  return [
    ...first,
    ofChannel({ type: "htlc_added", row: htlc }),
    ofChannel({ type: "commitment", row: commitment }),
    ofChannel({ type: "totals", row: totals }),
    { type: "outbox_pruned", peer: 1, upTo: 20 * n - 1 },
    ...packets.map((row) => ({ type: "outbox", row })),
  ];
}

function creation() {
  const row = {
    index: 1,
    temporaryId: bytes(32, 1),
    peer: bytes(33, 1),
    initiator: "local",
    plannedAmountSat: undefined,
    pushMsat: 0n,
    prestage: false,
    createdAt: 0,
    createdHeight: 0,
  };
  const stage = {
    stage: "open",
    openCompleteSent: true,
    openCompleteReceived: true,
    failure: undefined,
    errorDue: false,
    frozen: undefined,
    stale: false,
  };
  return [ofChannel({ type: "created", row, id: bytes(32, 2) }), ofChannel({ type: "stage", row: stage })];
}

for (let sequence = await store.sequence(); ; ) {
  sequence++;
  await store.commit({ sequence, changes: batch(sequence) });
  writeSync(1, `${sequence}\n`);
}
