import type { Socket } from "node:net";
import { invariant, type NodeId } from "../../core/base/index.ts";
import { type NoiseTransport, TRANSPORT_HEADER_BYTES } from "../../core/crypto/index.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Connection, type ConnectionEvents, MAX_MESSAGE_BYTES, TransportError } from "../../ports/transport.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { Established } from "./handshake.ts";

/** The most bytes that wait for a peer which doesn't read. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** So many bytes are written without waiting for the end of the turn: the peer then decrypts while we still encrypt. */
const FLUSH_BYTES = 256 * 1024;
/** How long a closed connection waits for the peer to take what is queued and to hang up too. */
const LINGER_MS = 5000;

/** When the system asks a silent peer's machine whether it is still there. */
const KEEP_ALIVE_MS = 60_000;

export type ConnectionOptions = { readonly clock: Clock; readonly idleTimeoutMs: number | undefined };

/** A socket after its handshake. */
export class TcpConnection implements Connection {
  readonly remote: NodeId;
  readonly outgoing: boolean;
  readonly #socket: Socket;
  readonly #noise: NoiseTransport;
  readonly #bytes: ByteReader;
  readonly #options: ConnectionOptions;
  #bodyLength: number | undefined;
  /** Encrypted frames that no write has taken yet. */
  #frames: Uint8Array[] = [];
  #framesBytes = 0;
  #open = true;
  /** True where one side hung up between two messages, as opposed to a break. */
  #orderly = false;
  #reason: TransportError | undefined;
  #heardAt: number;
  #cancelIdle = (): void => {};
  #cancelLinger = (): void => {};

  /** The socket is paused; `bytes` holds what came after the handshake. */
  constructor(
    socket: Socket,
    outgoing: boolean,
    bytes: ByteReader,
    established: Established,
    options: ConnectionOptions,
  ) {
    this.remote = established.remote;
    this.outgoing = outgoing;
    this.#socket = socket;
    this.#noise = established.noise;
    this.#bytes = bytes;
    this.#options = options;
    this.#heardAt = options.clock.now();
  }

  /**
   * Starts to read, in a later turn, so that the caller's promise is settled by then. Nothing is called before.
   * `ended` is called after `onEnd`.
   */
  start(events: ConnectionEvents, ended: () => void): void {
    const socket = this.#socket;
    socket.on("error", (cause) => {
      this.#reason ??= new TransportError("lost", cause.message, { cause });
    });
    // Here and not by options of whoever made the socket: one that exists already ignores them when it connects. A payment
    // takes several small messages each way, and each would wait 40 ms for the acknowledgement of the one before.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("end", () => this.#hungUp());
    socket.on("close", () => setImmediate(() => this.#ended(events, ended)));
    setImmediate(() => {
      this.#drain(events);
      socket.on("data", (chunk) => {
        if (!this.#open) return;
        this.#heardAt = this.#options.clock.now();
        this.#bytes.push(chunk);
        this.#drain(events);
      });
      socket.resume();
    });
    if (this.#open) this.#watchIdle();
  }

  send(message: Uint8Array): void {
    invariant(
      message.length >= 1 && message.length <= MAX_MESSAGE_BYTES,
      `a transport message has 1 to ${MAX_MESSAGE_BYTES} bytes, got ${message.length}`,
    );
    if (!this.#open) return;
    // All that is sent in one turn goes out as one write: a system call for each message would cost more than its encryption.
    if (this.#frames.length === 0) setImmediate(() => this.#flush());
    const frame = this.#noise.encryptMessage(message);
    this.#frames.push(frame);
    this.#framesBytes += frame.length;
    if (this.#framesBytes >= FLUSH_BYTES) this.#flush();
    const queued = this.#framesBytes + this.#socket.writableLength;
    if (queued > MAX_QUEUED_BYTES)
      this.#fail(new TransportError("backlog", `${queued} bytes wait for the peer to read`));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#orderly = true;
    this.#cancelIdle();
    this.#flush();
    this.#socket.end();
    this.#cancelLinger = this.#options.clock.after(LINGER_MS, () => {
      this.#fail(new TransportError("timeout", `the peer did not hang up within ${LINGER_MS} ms`));
    });
  }

  #flush(): void {
    const frames = this.#frames;
    const [first] = frames;
    if (first === undefined) return;
    const total = this.#framesBytes;
    this.#frames = [];
    this.#framesBytes = 0;
    this.#socket.write(frames.length === 1 ? first : Buffer.concat(frames, total));
  }

  /** Delivers the messages that are complete. */
  #drain(events: ConnectionEvents): void {
    while (this.#open) {
      const message = this.#nextMessage();
      if (message === undefined) return;
      events.onMessage(this, message);
    }
  }

  #nextMessage(): Uint8Array | undefined {
    if (this.#bodyLength === undefined) {
      const header = this.#bytes.take(TRANSPORT_HEADER_BYTES);
      if (header === undefined) return undefined;
      const length = this.#noise.decryptLength(header);
      if (!length.ok) return this.#badFrame("a header that does not decrypt");
      this.#bodyLength = length.value;
    }
    const body = this.#bytes.take(this.#bodyLength);
    if (body === undefined) return undefined;
    this.#bodyLength = undefined;
    const message = this.#noise.decryptBody(body);
    if (!message.ok) return this.#badFrame("a message that does not decrypt");
    if (message.value.length === 0) return this.#badFrame("an empty message");
    return message.value;
  }

  #badFrame(what: string): undefined {
    this.#fail(new TransportError("bad_frame", `the peer sent ${what}`));
  }

  /** The peer sends nothing more, and so reads nothing more. */
  #hungUp(): void {
    if (this.#bodyLength === undefined && !this.#bytes.pending) this.#orderly = true;
    this.#open = false;
    this.#socket.destroy();
  }

  #watchIdle(): void {
    const { clock, idleTimeoutMs } = this.#options;
    if (idleTimeoutMs === undefined) return;
    this.#cancelIdle = clock.after(this.#heardAt + idleTimeoutMs - clock.now(), () => {
      if (clock.now() - this.#heardAt < idleTimeoutMs) this.#watchIdle();
      else this.#fail(new TransportError("timeout", `the peer sent nothing for ${idleTimeoutMs} ms`));
    });
  }

  #fail(reason: TransportError): void {
    this.#open = false;
    this.#reason ??= reason;
    this.#frames = [];
    this.#framesBytes = 0;
    this.#socket.destroy();
  }

  #ended(events: ConnectionEvents, ended: () => void): void {
    this.#open = false;
    this.#cancelIdle();
    this.#cancelLinger();
    const broken = this.#orderly ? undefined : new TransportError("lost", "the connection broke");
    events.onEnd(this, this.#reason ?? broken);
    ended();
  }
}
