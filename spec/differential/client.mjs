// A client of the remoting protocol that does what a scenario says, well or badly.

import { connect } from "node:net";
import { FrameReader } from "../../dist/cjs/wire/frame-reader.js";
import { encodeCommand, isResponse, toRequest } from "../../dist/cjs/wire/remoting-command.js";

const [PATIENCE_MS, CLOSING_MS] = [30_000, 2_000];

export class Client {
  /** What came from the server by itself. */
  pushed = [];
  #socket;
  #answers = new Map();
  #wakes = new Set();
  #opaque = 0;

  constructor(socket) {
    this.#socket = socket;
    const reader = new FrameReader((command) => {
      if (isResponse(command)) this.#answers.get(command.opaque)?.(command);
      else this.pushed.push(command);
      this.#wake();
    });
    socket.on("data", (chunk) => reader.read(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const answer of this.#answers.values()) answer("the connection was closed");
      this.#wake();
    });
  }

  static async open(address) {
    const [host, port] = address.split(":");
    const socket = connect(Number(port), host);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Client(socket);
  }

  /** Resolves with the response, or with a text that says why there is none. */
  ask({ code, fields, body, ...changes }) {
    const request = { ...toRequest(contentOf(code, fields, body), ++this.#opaque, false), ...changes };
    const answered = new Promise((resolve) => this.#answers.set(request.opaque, resolve));
    if (this.#socket.destroyed) return Promise.resolve("the connection was closed");
    this.#socket.write(encodeCommand(request));
    return this.#patiently(answered).finally(() => this.#answers.delete(request.opaque));
  }

  /** A request that nobody answers. */
  tell({ code, fields, body, ...changes }) {
    this.#socket.write(
      encodeCommand({ ...toRequest(contentOf(code, fields, body), ++this.#opaque, true), ...changes }),
    );
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  /** Resolves once the server has asked so often, or has had the time to. */
  async wasPushed(count) {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.pushed.length < count && !this.#socket.destroyed && Date.now() < deadline)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.#wakes.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
  }

  /** Resolves with whether the server closes the connection soon. */
  async wasClosed() {
    const closed = new Promise((resolve) => this.#socket.once("close", () => resolve(true)));
    return this.#socket.destroyed || (await this.#patiently(closed, CLOSING_MS)) === true;
  }

  close() {
    this.#socket.destroy();
  }

  async #patiently(promise, ms = PATIENCE_MS) {
    let timer;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(() => resolve(`no answer in ${ms / 1000} s`), ms);
    });
    try {
      return await Promise.race([promise, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  #wake() {
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }
}

function contentOf(code, fields, body) {
  const entries = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
  return {
    code,
    fields: fields && new Map(entries.map(([name, value]) => [name, String(value)])),
    body: body === undefined ? undefined : Buffer.from(body),
  };
}
