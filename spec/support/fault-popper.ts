import { type Broker, isMqError, type MessageView, type SimpleConsumer } from "../../lib/index.js";
import type { Clock } from "../../lib/time/clock.js";

/** What becomes of a message that was received; a number: it is to be invisible for so many milliseconds from then on. */
export type PopResult = "acknowledge" | "leave" | number;

/** How somebody receives. */
export interface PopperOptions {
  /** @defaultValue each is acknowledged */
  readonly handle?: (message: MessageView) => PopResult | Promise<PopResult>;
}

export interface PopperHooks {
  readonly clock: Clock;
  /** Gets the bodies of the messages that are to be acknowledged. */
  readonly consumed: string[];
  /** What failed is tried again after a second, unless it is that it was closed. */
  readonly failed: (error: unknown) => void;
}

const INVISIBLE_MS = 10_000;
const AWAIT_MS = 1_000;
const PAUSE_MS = 1_000;

/** The consumer of a trial that pops, and whoever takes its messages for as long as there are any. */
export class FaultPopper {
  readonly consumer: SimpleConsumer;
  readonly #options: PopperOptions;
  readonly #hooks: PopperHooks;
  #isStopped = false;
  /** Ends a pause. */
  #goOn: (() => void) | undefined;

  constructor(
    mq: Broker,
    group: string,
    subscriptions: Readonly<Record<string, string>>,
    options: PopperOptions,
    hooks: PopperHooks,
  ) {
    this.consumer = mq.simpleConsumer({ group, subscriptions });
    this.#options = options;
    this.#hooks = hooks;
  }

  async start(): Promise<void> {
    await this.consumer.start();
    void this.#receive();
  }

  /** Whoever takes its messages goes away. */
  stop(): void {
    this.#isStopped = true;
    this.#goOn?.();
  }

  async #receive(): Promise<void> {
    const options = { maxMessages: 4, invisibleDurationMs: INVISIBLE_MS, awaitMs: AWAIT_MS };
    while (!this.#isStopped)
      await this.#untilDone(async () => {
        for (const message of await this.consumer.receive(options)) await this.#take(message);
      });
  }

  async #take(message: MessageView): Promise<void> {
    const result = (await this.#options.handle?.(message)) ?? "acknowledge";
    if (result === "leave") return;
    if (typeof result === "number") {
      await this.#untilDone(() => this.consumer.changeInvisibleDuration(message, result));
      return;
    }
    const { consumed } = this.#hooks;
    consumed.push(message.text());
    const failure = await this.#untilDone(() => this.consumer.ack(message));
    // It comes again, and only that counts.
    if (failure !== undefined && !isMqError(failure, "ERR_MQ_OUTCOME_UNKNOWN"))
      consumed.splice(consumed.lastIndexOf(message.text()), 1);
  }

  /** Again and again, unless somebody else has the message by now; what failed last when it is closed meanwhile. */
  async #untilDone(work: () => Promise<void>): Promise<unknown> {
    let failure: unknown;
    while (!this.#isStopped) {
      try {
        await work();
        return undefined;
      } catch (error) {
        if (isMqError(error, "ERR_MQ_RECEIPT_HANDLE")) return undefined;
        if (isMqError(error, "ERR_MQ_CLOSED")) {
          this.stop();
          return failure ?? error;
        }
        // What follows says only that the store has stopped.
        if (!isMqError(failure, "ERR_MQ_OUTCOME_UNKNOWN")) failure = error;
        this.#hooks.failed(error);
        await this.#pause();
      }
    }
    return failure;
  }

  #pause(): Promise<void> {
    const { clock } = this.#hooks;
    return new Promise((resolve) => {
      const timer = clock.at(clock.now() + PAUSE_MS, resolve);
      this.#goOn = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
