import type { Socket } from "node:net";
import { asNodeId, err, type NodeId, ok, type Result } from "../../core/base/index.ts";
import {
  ACT_ONE_BYTES,
  ACT_THREE_BYTES,
  ACT_TWO_BYTES,
  type HandshakeError,
  type HandshakeKeys,
  initiateHandshake,
  type NoiseTransport,
  respondToHandshake,
} from "../../core/crypto/index.ts";
import type { Clock } from "../../ports/clock.ts";
import { TransportError } from "../../ports/transport.ts";
import type { ByteReader } from "./byte-reader.ts";

/** What a handshake proves and yields. */
export type Established = { readonly type: "established"; readonly remote: NodeId; readonly noise: NoiseTransport };

/** The act that is awaited. Reading it may write the next one. */
type Awaiting = { readonly type: "awaiting"; readonly length: number; readonly read: (act: Uint8Array) => Step };

type Step = Result<Awaiting | Established, HandshakeError>;

type Write = (act: Uint8Array) => void;

/** Our part in a handshake, started once the socket is connected. */
export type Role = (write: Write) => Step;

/** Proves our key to the node `remote` and has it prove its own. */
export function initiator(keys: HandshakeKeys, remote: NodeId): Role {
  return (write) => {
    const started = initiateHandshake(keys, remote);
    if (!started.ok) return started;
    write(started.value.actOne);
    const read = (act: Uint8Array): Step => {
      const last = started.value.readAct2(act);
      if (!last.ok) return last;
      write(last.value.actThree);
      return ok({ type: "established", remote, noise: last.value.transport });
    };
    return ok({ type: "awaiting", length: ACT_TWO_BYTES, read });
  };
}

/** Answers whoever knows our node id. */
export function responder(keys: HandshakeKeys): Role {
  return (write) => {
    const readActOne = (actOne: Uint8Array): Step => {
      const answer = respondToHandshake(keys, actOne);
      if (!answer.ok) return answer;
      write(answer.value.actTwo);
      const readActThree = (actThree: Uint8Array): Step => {
        const last = answer.value.readAct3(actThree);
        if (!last.ok) return last;
        return ok({ type: "established", remote: asNodeId(last.value.remoteStatic), noise: last.value.transport });
      };
      return ok({ type: "awaiting", length: ACT_THREE_BYTES, read: readActThree });
    };
    return ok({ type: "awaiting", length: ACT_ONE_BYTES, read: readActOne });
  };
}

/** A connection attempt, ours or a stranger's, that has not come to its end. */
export type Attempt = { abort(reason: TransportError): void };

function networkError(cause: NodeJS.ErrnoException, connecting: boolean): TransportError {
  const code = cause.code === "ETIMEDOUT" ? "timeout" : connecting ? "refused" : "lost";
  return new TransportError(code, cause.message, { cause });
}

/**
 * Performs a handshake on a socket, which may still be connecting. `done` is called once. After a success the socket is
 * paused, and `bytes` holds what the peer sent after its last act; after a failure the socket is destroyed.
 */
export function shakeHands(
  socket: Socket,
  bytes: ByteReader,
  role: Role,
  limit: { readonly clock: Clock; readonly timeoutMs: number },
  done: (outcome: Result<Established, TransportError>) => void,
): Attempt {
  let awaiting: Awaiting | undefined;
  let connecting = socket.connecting;

  const settle = (outcome: Result<Established, TransportError>): void => {
    cancelTimeout();
    socket.off("connect", onConnect).off("data", onData).off("end", onEnd).off("error", onError).off("close", onEnd);
    done(outcome);
  };
  const fail = (reason: TransportError): void => {
    socket.destroy();
    settle(err(reason));
  };
  /** A reset, unlike an end, tells the other side that another attempt may succeed. */
  const abort = (reason: TransportError): void => {
    if (!socket.connecting) socket.resetAndDestroy();
    fail(reason);
  };
  const proceed = (step: Step): void => {
    if (!step.ok) {
      const { type, act } = step.error;
      fail(new TransportError("handshake_failed", `the handshake failed at act ${act}: ${type}`));
    } else if (step.value.type === "awaiting") {
      awaiting = step.value;
    } else {
      socket.pause();
      settle(ok(step.value));
    }
  };
  const onConnect = (): void => {
    connecting = false;
    proceed(role((act) => void socket.write(act)));
  };
  const onData = (chunk: Uint8Array): void => {
    bytes.push(chunk);
    while (awaiting !== undefined) {
      const act = bytes.take(awaiting.length);
      if (act === undefined) return;
      const { read } = awaiting;
      awaiting = undefined;
      proceed(read(act));
    }
  };
  const onEnd = (): void => fail(new TransportError("handshake_failed", "the peer hung up during the handshake"));
  const onError = (cause: NodeJS.ErrnoException): void => fail(networkError(cause, connecting));

  const cancelTimeout = limit.clock.after(limit.timeoutMs, () => {
    abort(new TransportError("timeout", `no connection after ${limit.timeoutMs} ms`));
  });
  socket.on("connect", onConnect).on("data", onData).on("end", onEnd).on("error", onError).on("close", onEnd);
  if (!connecting) onConnect();
  return { abort };
}
