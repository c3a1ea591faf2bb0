import type { Socket } from "node:net";
import { MqError } from "../errors.js";
import { describeThrown } from "../thrown.js";
import { FrameReader } from "./frame-reader.js";
import { MalformedFrame } from "./malformed-frame.js";
import { refusalOf } from "./refusal.js";
import {
  encodeCommand,
  isOneWay,
  isResponse,
  type RemotingCommand,
  type ResponseContent,
  toRequest,
  toResponse,
} from "./remoting-command.js";
import { describeRequestCode } from "./request-codes.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { MessageHost } from "./stored-message.js";

/** What one connection may take of the process. */
export interface ConnectionLimits {
  /** Bytes of requests that are not answered yet, each with {@link REQUEST_OVERHEAD}: beyond that nothing more is read. */
  readonly pendingBytes: number;
  /** Bytes that the client has not taken yet: beyond that nothing more is read, and what needs much room waits ({@link WireConnection.roomToAnswer}). */
  readonly unsentBytes: number;
  /** Bytes that the client has not taken yet, beyond which it is given up. */
  readonly maxUnsentBytes: number;
}

export const USUAL_LIMITS: ConnectionLimits = {
  pendingBytes: 32 * 1024 * 1024,
  unsentBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
};

/** What the system says of a client whose process has ended. */
const GONE: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE"]);

/** What a request takes besides its bytes, roughly: a pull that waits for messages, for example. */
export const REQUEST_OVERHEAD = 1_024;

export interface ConnectionParts {
  readonly limits: ConnectionLimits;
  /** Answers a request. `undefined`: it is not answered, or another one will. Throws and rejects with what the client is told. */
  readonly answer: (request: RemotingCommand, connection: WireConnection) => Answer | Promise<Answer>;
  /** Once, whoever closed it and why. */
  readonly closed: (connection: WireConnection) => void;
  readonly log: (text: string) => void;
  /** By the clock for how long something takes. */
  readonly now: () => number;
}

export type Answer = ResponseContent | undefined;

interface AskedClient {
  readonly resolve: (response: RemotingCommand) => void;
  readonly reject: (error: MqError) => void;
}

interface WaitingAnswer {
  readonly request: RemotingCommand;
  readonly resolve: () => void;
}

/**
 * A client's connection: requests in, responses out, in any order; and requests to the client, which count their opaques by themselves.
 *
 * A client that sends more than is answered, or does not take what it is sent, is not read from until it has caught up. What is malformed closes this connection, and no other.
 */
export class WireConnection {
  readonly remote: MessageHost;
  /** The address and port through which the client came. */
  readonly local: MessageHost;
  /** Aborted when the connection is closed, by whomever. */
  readonly ended: AbortSignal;
  readonly #ending = new AbortController();
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #reader: FrameReader;
  readonly #asked = new Map<number, AskedClient>();
  readonly #waitingForRoom: WaitingAnswer[] = [];
  #hasTheRoom: RemotingCommand | undefined;
  #lastOpaque = 0;
  #pendingBytes = 0;
  #lastReadAt: number;
  #lastTakenAt: number;
  #isClosed = false;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.ended = this.#ending.signal;
    this.remote = { host: unmapped(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.local = { host: unmapped(socket.localAddress), port: socket.localPort ?? 0 };
    this.#reader = new FrameReader((command, size) => this.#received(command, size));
    this.#lastReadAt = parts.now();
    this.#lastTakenAt = this.#lastReadAt;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => this.#regulate());
    // It is followed by "close". That a client went away without a word is nothing to warn of.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!GONE.has(error.code)) parts.log(`${this.name}: ${describeThrown(error)}`);
    });
    socket.on("close", () => this.#ended());
  }

  /** For people. */
  get name(): string {
    return `connection of ${this.remote.host}:${this.remote.port}`;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** For how long the client has sent nothing, or taken nothing of what it was sent, whichever is longer. */
  idleMs(now: number): number {
    const silentMs = this.#socket.isPaused() ? 0 : now - this.#lastReadAt;
    return this.#socket.writableLength === 0 ? silentMs : Math.max(silentMs, now - this.#lastTakenAt);
  }

  /**
   * To be awaited before a large answer is made: resolves when the client has taken what it was sent before, for one request after the other; each has the room until it is answered. With false when the
   * connection is closed.
   */
  async roomToAnswer(request: RemotingCommand): Promise<boolean> {
    if (this.#isClosed) return false;
    if (this.#hasRoom) this.#hasTheRoom = request;
    else await new Promise<void>((resolve) => this.#waitingForRoom.push({ request, resolve }));
    return !this.#isClosed;
  }

  /** Nobody answers. No effect on one that is closed. */
  tell(content: ResponseContent): void {
    this.#send(toRequest(content, this.#nextOpaque(), true));
  }

  /** Asks the client. Rejects with `ERR_MQ_CLOSED` when the connection is closed before it has answered. */
  ask(content: ResponseContent): Promise<RemotingCommand> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closedError(this.name));
      const opaque = this.#nextOpaque();
      this.#asked.set(opaque, { resolve, reject });
      this.#send(toRequest(content, opaque, false));
    });
  }

  /** At once: what the client has not taken it does not get. */
  destroy(reason?: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (reason !== undefined) this.#parts.log(`${this.name} is closed: ${reason}`);
    this.#socket.destroy();
  }

  get #hasRoom(): boolean {
    return this.#hasTheRoom === undefined && !this.#isFull;
  }

  get #isFull(): boolean {
    return this.#socket.writableLength > this.#parts.limits.unsentBytes;
  }

  #nextOpaque(): number {
    this.#lastOpaque = (this.#lastOpaque + 1) | 0;
    return this.#lastOpaque;
  }

  #read(chunk: Buffer): void {
    this.#lastReadAt = this.#parts.now();
    try {
      this.#reader.read(chunk);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.destroy(error.message);
    }
    this.#regulate();
  }

  #received(command: RemotingCommand, size: number): void {
    if (this.#isClosed) return;
    if (!isResponse(command)) {
      void this.#answer(command, size + REQUEST_OVERHEAD);
      return;
    }
    const asked = this.#asked.get(command.opaque);
    this.#asked.delete(command.opaque);
    asked?.resolve(command);
  }

  async #answer(request: RemotingCommand, bytes: number): Promise<void> {
    this.#pendingBytes += bytes;
    const answer = await this.#answerOf(request);
    this.#pendingBytes -= bytes;
    if (answer !== undefined && !isOneWay(request)) this.#send(toResponse(request, answer));
    if (this.#hasTheRoom === request) this.#hasTheRoom = undefined;
    this.#regulate();
  }

  async #answerOf(request: RemotingCommand): Promise<Answer> {
    try {
      return await this.#parts.answer(request, this);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) return refusal;
      this.#parts.log(`${describeRequestCode(request.code)} failed: ${describeThrown(error)}`);
      return { code: RESPONSE_CODES.SYSTEM_ERROR, remark: "the request failed" };
    }
  }

  #send(command: RemotingCommand): void {
    if (this.#isClosed) return;
    if (this.#socket.writableLength === 0) this.#lastTakenAt = this.#parts.now();
    this.#socket.write(encodeCommand(command), this.#onTaken);
    if (this.#socket.writableLength > this.#parts.limits.maxUnsentBytes)
      this.destroy(`its client has not taken ${this.#socket.writableLength} bytes`);
  }

  readonly #onTaken = (): void => {
    this.#lastTakenAt = this.#parts.now();
  };

  /** Something was taken, or answered. */
  #regulate(): void {
    if (this.#isClosed) return;
    if (this.#hasRoom) this.#giveRoom();
    const isBehind = this.#isFull || this.#pendingBytes > this.#parts.limits.pendingBytes;
    if (isBehind && !this.#socket.isPaused()) this.#socket.pause();
    else if (!isBehind && this.#socket.isPaused()) {
      this.#lastReadAt = this.#parts.now();
      this.#socket.resume();
    }
  }

  #giveRoom(): void {
    const next = this.#waitingForRoom.shift();
    this.#hasTheRoom = next?.request;
    next?.resolve();
  }

  #ended(): void {
    this.#isClosed = true;
    this.#ending.abort();
    for (const { reject } of this.#asked.values()) reject(closedError(this.name));
    this.#asked.clear();
    for (const { resolve } of this.#waitingForRoom.splice(0)) resolve();
    this.#parts.closed(this);
  }
}

function closedError(name: string): MqError {
  return new MqError("ERR_MQ_CLOSED", `the ${name} is closed`);
}

/** An IPv4 address that came through an IPv6 socket is one. */
function unmapped(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/, "") ?? "0.0.0.0";
}
