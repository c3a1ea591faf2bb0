import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { MqError } from "../errors.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { RemotingCommand } from "./remoting-command.js";
import { describeRequestCode } from "./request-codes.js";
import { RESPONSE_CODES } from "./response-codes.js";
import { type Answer, type ConnectionLimits, USUAL_LIMITS, WireConnection } from "./wire-connection.js";

/** Answers the requests of one code. `undefined`: it is not answered, or another one will. Throws and rejects with what the client is told. */
export type RequestHandler = (request: RemotingCommand, connection: WireConnection) => Answer | Promise<Answer>;

/** What is done for clients. */
export interface WireRequests {
  /** By request code. */
  readonly handlers: ReadonlyMap<number, RequestHandler>;
  /** A connection was closed: what its client had is nobody's. */
  readonly closed: (connection: WireConnection) => void;
}

export interface WireServerParts extends WireRequests {
  readonly log: (text: string) => void;
  /** For how long something takes. */
  readonly steady: Clock;
  readonly limits?: ConnectionLimits | undefined;
}

/** As RocketMQ's server, `serverChannelMaxIdleTimeSeconds`: its clients send a heartbeat each 30 s. */
const MAX_IDLE_MS = 120_000;
/** How often connections are looked at, all by one timer. */
const LOOK_MS = 10_000;

/**
 * Listens on any number of ports, which all answer alike: RocketMQ's codes for name servers and for brokers differ, so that it does not matter where a client asks.
 *
 * Source: RocketMQ 5.3.3, `remoting/.../netty/NettyRemotingServer.java`, `NettyRemotingAbstract.java`.
 */
export class WireServer {
  readonly #parts: WireServerParts;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<WireConnection>();
  /** `undefined`: nobody is let in. */
  #requests: WireRequests | undefined;
  #looking: ClockTimer | undefined;
  #isClosed = false;
  #whenEmpty: (() => void) | undefined;

  constructor(parts: WireServerParts) {
    this.#parts = parts;
    this.#requests = parts;
  }

  /** How many clients are connected. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Resolves with the port, which is a free one for 0.
   *
   * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` when the port is taken or the host is none of this machine's; `ERR_MQ_CLOSED` when the server was closed meanwhile.
   */
  async listen(host: string, port: number): Promise<number> {
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(new MqError("ERR_MQ_INVALID_ARGUMENT", `cannot listen on ${host}:${port}: ${cause.message}`, { cause })),
      );
      server.listen(port, host, resolve);
    });
    if (this.#isClosed) {
      await new Promise((resolve) => server.close(resolve));
      throw new MqError("ERR_MQ_CLOSED", `the server was closed before it listened on ${host}:${port}`);
    }
    // What happens to a server that listens concerns one connection that did not come about.
    server.on("error", (error) => this.#parts.log(`a connection was not accepted: ${error.message}`));
    this.#servers.push(server);
    this.#looking ??= this.#lookLater();
    return (server.address() as AddressInfo).port;
  }

  /** Closes all connections, and those that come before {@link WireServer.goOn}. */
  suspend(): void {
    this.#requests = undefined;
    for (const connection of this.#connections) connection.destroy();
  }

  /** Does this for clients that come from now on. */
  goOn(requests: WireRequests): void {
    this.#requests = requests;
  }

  /** Closes all connections at once, and resolves when nothing listens any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#looking?.cancel();
    const closing = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const connection of this.#connections) connection.destroy();
    if (this.#connections.size > 0)
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
    await Promise.all(closing);
  }

  #accept(socket: Socket): void {
    const requests = this.#requests;
    if (this.#isClosed || requests === undefined) {
      socket.destroy();
      return;
    }
    const { limits = USUAL_LIMITS, log, steady } = this.#parts;
    const connection = new WireConnection(socket, {
      limits,
      log,
      answer: (request, asking) => this.#answer(requests, request, asking),
      closed: (closed) => {
        this.#connections.delete(closed);
        requests.closed(closed);
        if (this.#connections.size === 0) this.#whenEmpty?.();
      },
      now: () => steady.now(),
    });
    this.#connections.add(connection);
  }

  #answer({ handlers }: WireRequests, request: RemotingCommand, connection: WireConnection): Answer | Promise<Answer> {
    const handler = handlers.get(request.code);
    if (handler !== undefined) return handler(request, connection);
    this.#parts.log(`${connection.name}: ${describeRequestCode(request.code)} is not supported`);
    return { code: RESPONSE_CODES.REQUEST_CODE_NOT_SUPPORTED, remark: ` request type ${request.code} not supported` };
  }

  #lookLater(): ClockTimer {
    const { steady } = this.#parts;
    return steady.at(steady.now() + LOOK_MS, () => {
      const now = steady.now();
      for (const connection of this.#connections)
        if (connection.idleMs(now) > MAX_IDLE_MS) connection.destroy(`nothing was heard of it for ${MAX_IDLE_MS} ms`);
      this.#looking = this.#lookLater();
    });
  }
}
