// A node in a process of its own, driven by its parent: bench and kill tests fork this file once it is compiled.

import { bitcoindChain } from "../../src/adapters/chain-bitcoind/index.ts";
import { systemClock } from "../../src/adapters/system/index.ts";
import { asPaymentHash, type Msat, type PaymentHash } from "../../src/core/base/index.ts";
import { openNode, restoreNode, type SluiceNode } from "../../src/node/index.ts";
import type { Call, Methods, OpenOptions, PayOptions, PayReport } from "./protocol.ts";

let node: SluiceNode | undefined;

function running(): SluiceNode {
  if (node === undefined) throw new Error("the node is not open");
  return node;
}

/** An error as it can be sent. */
function told(cause: unknown): unknown {
  if (!(cause instanceof Error)) return String(cause);
  return { name: cause.name, message: cause.message, code: "code" in cause ? cause.code : undefined };
}

async function open(options: OpenOptions) {
  const chain = bitcoindChain({
    network: "regtest",
    clock: systemClock(),
    pollMs: 50,
    requestTimeoutMs: 30_000,
    ...options.chain,
  });
  await chain.connect();
  const begun = performance.now();
  node = await openNode({ directory: options.directory, chain, policy: options.policy ?? {} });
  const openNodeMs = performance.now() - begun;
  node.subscribe((event) => {
    if (options.quiet === true && (event.type === "payment_ended" || event.type === "invoice_settled")) return;
    process.send?.({ type: "event", event: event.type === "halted" ? { ...event, cause: told(event.cause) } : event });
  });
  const listening = await node.listen({ host: "127.0.0.1", port: options.port ?? 0 });
  return { nodeId: node.nodeId, port: listening.port, openNodeMs };
}

async function invoices(count: number, amountMsat: bigint): Promise<PaymentHash[]> {
  const made = await Promise.all(
    Array.from({ length: count }, () => running().createInvoice({ amountMsat: amountMsat as Msat })),
  );
  return made.map((invoice) => {
    if (!invoice.ok) throw new Error(invoice.error.type);
    return invoice.value.paymentHash;
  });
}

/** Pays every hash, so many in flight at once, and says how long each took. Ids already paid are not paid again. */
async function pay(options: PayOptions): Promise<PayReport> {
  const { channel, amountMsat, hashes, inFlight, prefix, expiryBlocks } = options;
  const peer = running().channel(channel)?.peer;
  if (peer === undefined) throw new Error(`there is no channel ${channel}`);
  const latencies: number[] = [];
  const refused: string[] = [];
  let failed = 0;
  let next = 0;
  const started = performance.now();
  const cpu = process.cpuUsage();
  const worker = async () => {
    for (let i = next++; i < hashes.length; i = next++) {
      const paymentHash = asPaymentHash(hashes[i] ?? new Uint8Array(32));
      const begun = performance.now();
      const id = `${prefix}${i}`;
      const expiry = expiryBlocks === undefined ? {} : { expiry: running().height + expiryBlocks };
      const request = { id, paymentHash, amountMsat: amountMsat as Msat, ...expiry };
      let offered = await running().pay(channel, request);
      while (!offered.ok && offered.error.type === "peer_not_ready") {
        await running().untilReady(peer);
        offered = await running().pay(channel, request);
      }
      if (!offered.ok) {
        refused.push(offered.error.type);
        continue;
      }
      const ended = await running().untilPaid(id);
      if (ended?.state !== "succeeded") failed++;
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - started, latencies, failed, refused, cpuMs: (user + system) / 1000 };
}

const methods: Methods = {
  open,
  invoices,
  pay,
  connect: (nodeId, port) => running().connect(nodeId, { host: "127.0.0.1", port }),
  newAddress: () => running().newAddress(),
  balance: async () => running().balance(),
  channels: async () => running().channels(),
  openChannel: async (peer, request) => {
    const opened = await running().openChannel(peer, request);
    if (!opened.ok) throw new Error(opened.error.type);
    return opened.value;
  },
  closeChannel: async (channel) => {
    const closed = await running().closeChannel(channel);
    if (!closed.ok) throw new Error(closed.error.type);
  },
  failChannel: async (channel) => {
    const failed = await running().failChannel(channel);
    if (!failed.ok) throw new Error(failed.error.type);
  },
  payment: (id) => running().payment(id),
  invoice: (paymentHash) => running().invoice(paymentHash),
  restore: async (options) => {
    const restored = await restoreNode(options);
    if (!restored.ok) throw new Error(restored.error.type);
  },
  record: (channel) => running().records.channel(channel),
  cpuMs: async () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  height: async () => running().height,
  stop: () => running().stop(),
};

process.on("message", (call: Call) => {
  const method = methods[call.method] as (...args: unknown[]) => Promise<unknown>;
  method(...call.args).then(
    (value) =>
      process.send?.({ type: "result", id: call.id, value }, () => {
        if (call.method === "stop") process.disconnect();
      }),
    (cause: unknown) =>
      process.send?.({ type: "error", id: call.id, message: cause instanceof Error ? cause.message : String(cause) }),
  );
});
