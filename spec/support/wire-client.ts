import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FrameReader } from "../../lib/wire/frame-reader.js";
import {
  encodeCommand,
  isResponse,
  type RemotingCommand,
  type ResponseContent,
  toRequest,
} from "../../lib/wire/remoting-command.js";

/** A client of the remoting protocol that does what a spec says, well or badly. */
export class WireClient implements AsyncDisposable {
  readonly socket: Socket;
  /** What came from the server by itself. */
  readonly requests: RemotingCommand[] = [];
  readonly #answers = new Map<number, (response: RemotingCommand) => void>();
  readonly #waiting: (() => void)[] = [];
  #opaque = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader((command) => {
      if (isResponse(command)) this.#answers.get(command.opaque)?.(command);
      else this.requests.push(command);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    socket.on("data", (chunk: Buffer) => reader.read(chunk));
    // A server may reset the connection.
    socket.on("error", () => undefined);
  }

  static async open(port: number, host: string = "127.0.0.1"): Promise<WireClient> {
    const socket = connect(port, host);
    await once(socket, "connect");
    return new WireClient(socket);
  }

  /** Sends a request and waits for its response. */
  ask(content: ResponseContent, changes: Partial<RemotingCommand> = {}): Promise<RemotingCommand> {
    const request = { ...toRequest(content, ++this.#opaque, false), ...changes };
    return new Promise((resolve) => {
      this.#answers.set(request.opaque, resolve);
      this.write(encodeCommand(request));
    });
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Resolves once the server has asked so often. */
  async asked(count: number): Promise<readonly RemotingCommand[]> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.requests;
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed();
  }
}
