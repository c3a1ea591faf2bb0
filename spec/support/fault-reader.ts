import { type Broker, isMqError, type PullConsumer, type PullConsumerOptions } from "../../lib/index.js";

/** How somebody reads. */
export interface ReaderOptions extends Omit<PullConsumerOptions, "group"> {
  readonly by: "polling" | "iterating";
}

/** The consumer of a trial that pulls, and whoever takes its messages for as long as there are any. */
export class FaultReader {
  readonly consumer: PullConsumer;
  readonly #by: ReaderOptions["by"];
  readonly #consumed: string[];

  /** @param consumed - gets the bodies of the messages that are handed out. */
  constructor(mq: Broker, group: string, { by, ...options }: ReaderOptions, consumed: string[]) {
    this.consumer = mq.pullConsumer({ group, ...options });
    this.#by = by;
    this.#consumed = consumed;
  }

  /** @param failed - what ends the reading, unless it is that it was closed. */
  async start(failed: (error: unknown) => void): Promise<void> {
    await this.consumer.start();
    void (this.#by === "polling" ? this.#poll() : this.#iterate()).catch((error: unknown) => {
      if (!isMqError(error, "ERR_MQ_CLOSED")) failed(error);
    });
  }

  async #poll(): Promise<void> {
    for (;;) for (const message of await this.consumer.poll({ timeoutMs: 1_000 })) this.#consumed.push(message.text());
  }

  async #iterate(): Promise<void> {
    for await (const message of this.consumer) this.#consumed.push(message.text());
  }
}
