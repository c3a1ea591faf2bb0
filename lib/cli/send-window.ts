import type { Message, Producer } from "../index.js";

/** Enough for large commits, far below what the broker takes at most: 10,000 messages and 64 MiB. */
const MAX_MESSAGES = 2_000;
const MAX_CHARS = 8 * 1024 * 1024;

/** Sends without waiting for each receipt, while no more than 2,000 messages or 8 Mi characters are on their way. */
export class SendWindow {
  readonly #producer: Producer;
  #messages = 0;
  #chars = 0;
  #sent = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  /** Messages whose receipt has come. */
  get sent(): number {
    return this.#sent;
  }

  /** Resolves as soon as there is room for another message. Rejects as the first send that failed. */
  async send(message: Message & { readonly body: string }): Promise<void> {
    const chars = message.body.length;
    this.#messages += 1;
    this.#chars += chars;
    this.#producer.send(message).then(
      () => {
        this.#sent += 1;
        this.#settled(chars);
      },
      (error: unknown) => {
        this.#failure ??= { error };
        this.#settled(chars);
      },
    );
    while (this.#messages >= MAX_MESSAGES || this.#chars >= MAX_CHARS) await this.#settling();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves once every receipt has come. Rejects as the first send that failed. */
  async drained(): Promise<void> {
    while (this.#messages > 0) await this.#settling();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #settling(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #settled(chars: number): void {
    this.#messages -= 1;
    this.#chars -= chars;
    this.#wake?.();
    this.#wake = undefined;
  }
}
