import { tcpTransport } from "../../src/adapters/p2p-tcp/index.ts";
import { systemClock, systemRandom } from "../../src/adapters/system/index.ts";
import {
  asChannelId,
  type ChannelId,
  concatBytes,
  equalBytes,
  type Msat,
  type NodeId,
  type Satoshi,
  toHex,
} from "../../src/core/base/index.ts";
import { anchorScript, payToWitnessScriptHash } from "../../src/core/bitcoin/index.ts";
import { keyPaths, type Signer, seedSigner, sha256 } from "../../src/core/crypto/index.ts";
import {
  accept,
  apply,
  type Begun,
  begin,
  type ChannelError,
  type ChannelState,
  type Context,
  DEFAULT_POLICY,
  type Effect,
  type Input,
  step,
  type Tell,
} from "../../src/core/payment-channel/index.ts";
import {
  type Authenticate,
  decodePing,
  decodePkt,
  decodeTransportMessage,
  encodeFeatures,
  encodePkt,
  encodePong,
  type Feature,
  joinPackets,
  type PktMessage,
  packetFamily,
  type ReceivedPkt,
} from "../../src/core/wire/index.ts";
import type { Chain } from "../../src/node/index.ts";
import type { Connection, PeerAddress, Transport } from "../../src/ports/transport.ts";

const RELAY = 1_000;
const FALLBACK = 2_000;

/** What the node said, in order: a packet, or the end of a connection. */
export type Heard = ReceivedPkt | { readonly message: { readonly type: "end" } };

/** One channel of the peer, as the production machine has it. */
export type Kept = { state: ChannelState; readonly tells: Tell[] };

/**
 * A peer that a test drives by hand, over real TCP unless told otherwise. Left alone it is honest: it keeps the stream and runs the production
 * machine, so that a test gets to any state before it deviates.
 */
export class BadPeer {
  readonly nodeId: NodeId;
  readonly signer: Signer;
  readonly keys = keyPaths(1);
  readonly heard: Heard[] = [];
  readonly channels: Kept[] = [];
  /** Packets of the node that were processed, and the digest of them. */
  received = 0;
  receivedDigest: Uint8Array = new Uint8Array(32);
  sent = 0;
  /** Every counted packet that went out. */
  readonly packets: Uint8Array[] = [];
  /** Packets about copies that the node sent, not answered. */
  readonly copies: Uint8Array[] = [];
  /** What its authenticate says that it can do. */
  features: readonly Feature[] = [];
  /** Whether the node's pings are answered. */
  livesOn = true;
  /** Whether what the node sends is acted on. */
  obedient = true;
  /** What becomes of a message of the machine before it is sent. */
  tamper: (message: PktMessage) => PktMessage = (message) => message;
  /** So much less than it says does the anchor hold. */
  anchorLacksSat = 0n;
  private readonly chain: Chain;
  private readonly transport: Transport;
  private readonly waiting: (() => void)[] = [];
  private connection: Connection | undefined;
  private nextIndex = 0;

  /** Over TCP unless told otherwise. */
  constructor(chain: Chain, name: string, transport?: (nodeId: NodeId) => Transport) {
    this.chain = chain;
    const seed = concatBytes(sha256(new TextEncoder().encode(name)), sha256(new TextEncoder().encode(`${name}!`)));
    this.signer = seedSigner(seed, 1);
    const nodeKey = this.keys.nodeKey();
    this.nodeId = this.signer.publicKey(nodeKey) as NodeId;
    this.transport =
      transport?.(this.nodeId) ??
      tcpTransport({ signer: this.signer, nodeKey, random: systemRandom(), clock: systemClock() });
  }

  /** Connects, and unless told otherwise exchanges authenticates. */
  async connect(node: NodeId, at: PeerAddress, options: { readonly silent?: boolean } = {}): Promise<void> {
    let first = true;
    const events = {
      onMessage: (from: Connection, message: Uint8Array) => {
        if (from === this.connection) first = this.hear(message, first);
      },
      onEnd: (from: Connection) => {
        if (from === this.connection) this.connection = undefined;
        this.heard.push({ message: { type: "end" } });
        this.notify();
      },
    };
    this.connection = await this.transport.connect(node, at, () => events);
    if (options.silent !== true) {
      this.authenticate();
      const before = this.heard.length;
      await this.until(() => this.heard.slice(before).some(({ message }) => message.type === "authenticate"));
    }
  }

  authenticate(options: { acknowledge?: number; digest?: Uint8Array; channels?: Authenticate["channels"] } = {}): void {
    const { acknowledge = this.received, digest = this.receivedDigest, channels = [] } = options;
    const message = { type: "authenticate" as const, features: encodeFeatures(this.features), digest, channels };
    this.sendMessages(joinPackets(acknowledge, [encodePkt({ channelId: undefined, message })]));
  }

  /** Sends a packet that is not counted. */
  say(packet: Uint8Array): void {
    this.sendMessages(joinPackets(this.received, [packet]));
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  hangUp(): Promise<void> {
    this.connection?.close();
    return this.until(() => !this.connected);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  /** Resolves when `check` holds; looked at after everything that is heard. */
  until(check: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!check()) this.waiting.push(look);
        else resolve();
      };
      look();
    });
  }

  private notify(): void {
    for (const look of this.waiting.splice(0)) look();
  }

  /** Resolves with the next message of a type, those already heard included. */
  async hears<T extends Heard["message"]["type"]>(type: T): Promise<Extract<Heard["message"], { type: T }>> {
    const found = () => this.heard.find((one) => one.message.type === type)?.message;
    await this.until(() => found() !== undefined);
    return found() as Extract<Heard["message"], { type: T }>;
  }

  /** The errors that the node has sent, newest last. */
  errors(): string[] {
    return this.heard.flatMap(({ message }) => (message.type === "error" ? [message.problem] : []));
  }

  private hear(message: Uint8Array, first: boolean): boolean {
    const decoded = decodeTransportMessage(message);
    if (!decoded.ok) throw new Error("the node sends what is no message");
    let expectsFirst = first;
    for (const packet of decoded.value.packets) {
      const family = packet.length === 0 ? undefined : packetFamily(packet);
      if (family?.ok && family.value === "ping" && this.livesOn) this.pong(packet);
      if (family?.ok && family.value.endsWith("_copy")) this.copies.push(packet);
      if (family === undefined || !family.ok || family.value !== "pkt") continue;
      const pkt = decodePkt(packet);
      if (!pkt.ok) throw new Error("the node sends what is no packet");
      if (!expectsFirst) {
        this.received++;
        this.receivedDigest = sha256(concatBytes(this.receivedDigest, packet));
        this.process(pkt.value, decoded.value.acknowledge);
      }
      expectsFirst = false;
      this.heard.push(pkt.value);
    }
    if (this.obedient) {
      for (const kept of this.channels) this.flush(kept);
      this.sendMessages(joinPackets(this.received, [new Uint8Array(0)]));
    }
    this.notify();
    return expectsFirst;
  }

  private pong(packet: Uint8Array): void {
    const ping = decodePing(packet);
    if (ping.ok) this.sendMessages(joinPackets(this.received, [encodePong(ping.value)]));
  }

  private process({ channelId, message }: ReceivedPkt, acknowledge: number): void {
    const kept = this.channels.find(({ state }) => channelId !== undefined && equalBytes(state.id, channelId));
    if (!this.obedient || message.type === "unknown_odd") return;
    if (kept === undefined && channelId !== undefined && message.type === "open_channel") {
      this.accept(channelId, message);
    }
    if (kept === undefined) return;
    const error = this.run(kept, { type: "packet", message, number: this.received, acknowledge });
    if (error !== undefined) throw new Error(`the node breaks a rule: ${error.type}`);
  }

  context(): Context {
    return {
      height: this.chain.tip.height,
      caughtUp: true,
      now: 1_700_000_000_000,
      fees: { nextBlock: undefined, relay: RELAY, fallback: FALLBACK },
      policy: DEFAULT_POLICY,
      keys: this.keys,
      signer: this.signer,
      nextPacketNumber: this.sent + 1,
      acknowledge: this.received,
      unacknowledged: 0,
      peerReady: true,
    };
  }

  /** One step of the production machine, its packets sent. */
  run(kept: Kept, input: Input): ChannelError | undefined {
    const result = step(kept.state, input, this.context());
    if (!result.ok) return result.error;
    apply(kept.state, result.value.changes);
    this.carryOut(kept, result.value.effects);
    return undefined;
  }

  private carryOut(kept: Kept, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === "send") this.send(this.tamper(effect.packet.message), effect.packet);
      else if (effect.type === "tell") {
        kept.tells.push(effect.tell);
        if (effect.tell.type === "fund") this.fund(kept, effect.tell);
      }
    }
  }

  private fund(kept: Kept, { script, amountSat }: Extract<Tell, { type: "fund" }>): void {
    const funded = this.chain.fund(script, amountSat - this.anchorLacksSat);
    if (!funded.ok) throw new Error("the faucet is empty");
    const { txid, index } = funded.value;
    const error = this.run(kept, { type: "funded", txid, outputIndex: index, transaction: new Uint8Array(1) });
    if (error !== undefined) throw new Error(error.type);
  }

  /** The end of a batch. */
  flush(kept: Kept): void {
    for (let before = -1; before !== this.sent; ) {
      before = this.sent;
      this.run(kept, { type: "commit" });
    }
  }

  /** Answers an open_channel of the node. */
  private accept(temporaryId: ChannelId, message: Extract<PktMessage, { type: "open_channel" }>): void {
    const { remote } = this.connection ?? {};
    if (remote === undefined) return;
    const begun = accept(remote, this.nextIndex++, temporaryId, message, this.context());
    if (!begun.ok) throw new Error(`the node proposes what breaks a rule: ${begun.error.type}`);
    this.adopt(begun.value);
  }

  private adopt({ state, changes, effects }: Begun): Kept {
    const kept: Kept = { state, tells: [] };
    this.channels.push(kept);
    apply(state, changes);
    this.carryOut(kept, effects);
    return kept;
  }

  /** Sends open_channel; the rest of the opening follows by itself while obedient. */
  propose(node: NodeId, options: { amountSat?: bigint; pushMsat?: bigint } = {}): Kept {
    const { amountSat = 1_000_000n, pushMsat = 300_000_000n } = options;
    const begun = begin(
      {
        peer: node,
        index: this.nextIndex,
        temporaryId: asChannelId(sha256(concatBytes(this.nodeId, Uint8Array.of(this.nextIndex)))),
        amountSat: amountSat as Satoshi,
        pushMsat: pushMsat as Msat,
      },
      this.context(),
    );
    if (!begun.ok) throw new Error(begun.error.type);
    this.nextIndex++;
    return this.adopt(begun.value);
  }

  /** The anchor of the channel is in the block at `height`. */
  confirm(kept: Kept, height: number): void {
    const { terms, funding } = kept.state;
    const keys = [terms.local?.commitKey, terms.remote?.commitKey].filter((key) => key !== undefined);
    const script = payToWitnessScriptHash(anchorScript(keys[0] ?? new Uint8Array(), keys[1] ?? new Uint8Array()));
    this.run(kept, { type: "funding_confirmed", height, output: { amountSat: funding?.amountSat ?? 0n, script } });
    this.flush(kept);
  }

  /** Counts and sends a message for a channel. */
  send(message: PktMessage, options: { channelId?: ChannelId | undefined; acknowledge?: number } = {}): Uint8Array {
    const channelId = "channelId" in options ? options.channelId : this.channels[0]?.state.id;
    const packet = encodePkt({ channelId, message });
    this.sendPacket(packet, options.acknowledge);
    return packet;
  }

  sendPacket(packet: Uint8Array, acknowledge = this.received): void {
    this.sent++;
    this.packets.push(packet);
    this.sendMessages(joinPackets(acknowledge, [packet]));
  }

  /** Sends transport messages as they are. */
  sendMessages(messages: readonly Uint8Array[]): void {
    for (const message of messages) this.connection?.send(message);
  }

  toString(): string {
    return toHex(this.nodeId);
  }
}
