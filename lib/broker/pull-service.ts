import { isMqError } from "../errors.js";
import type { Clock } from "../time/clock.js";
import type { PullRequest, PullResult } from "./broker-port.js";
import type { Engine } from "./engine.js";
import type { WrittenBlock } from "./log-appender.js";
import { PullHold } from "./pull-hold.js";
import type { PullMessage } from "./pull-message.js";

export interface PullServiceOptions {
  readonly engine: Engine;
  readonly messages: PullMessage;
  readonly clock: Clock;
  /** Something could not be read when it was time. */
  readonly onUnread: () => void;
  /** A pull has begun to wait. */
  readonly onWaiting: () => void;
}

/** What clients that pull ask of a broker, and who of them is told that there is something. */
export class PullService {
  readonly #engine: Engine;
  readonly #messages: PullMessage;
  readonly #onUnread: () => void;
  readonly #onWaiting: () => void;
  readonly #hold: PullHold;

  constructor({ engine, messages, clock, onUnread, onWaiting }: PullServiceOptions) {
    this.#engine = engine;
    this.#messages = messages;
    this.#onUnread = onUnread;
    this.#onWaiting = onWaiting;
    this.#hold = new PullHold((request) => this.#readNow(request), clock);
  }

  /** Pulls that wait. */
  get count(): number {
    return this.#hold.count;
  }

  /** A group that pulls for the first time is created where it may be: a consumer that was told its queues need not have said before that it is there. */
  async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    try {
      return await this.#pull(request, signal);
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_GROUP_NOT_FOUND")) throw error;
    }
    await this.#engine.write(() => this.#engine.groups.requireForConsumer(request.group));
    return this.#pull(request, signal);
  }

  async #pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    let result = this.#readNow(request);
    while (result === undefined) {
      await this.#engine.reads.read(() => undefined);
      result = this.#readNow(request);
    }
    // In the same step as the read: nothing can be committed in between.
    if (result.status !== "NO_NEW_MSG" || request.suspendMs <= 0 || signal.aborted) return result;
    const held = this.#hold.hold(request, result, signal);
    this.#onWaiting();
    return held;
  }

  /** This engine has committed. */
  committed(written: readonly WrittenBlock[]): void {
    if (this.#hold.count === 0) return;
    this.#engine.reader.withFresh(written, () => {
      for (const { state } of written) this.#hold.wake(state.topic, state.queueId);
    });
  }

  /** Others have committed messages to these queues. */
  othersCommitted(queues: readonly { readonly topic: string; readonly queueId: number }[]): void {
    for (const { topic, queueId } of queues) this.#hold.wake(topic, queueId);
  }

  /** There may be messages anywhere. */
  lookAgain(): void {
    this.#hold.wakeAll();
  }

  failAll(error: unknown): void {
    this.#hold.failAll(error);
  }

  /** `undefined` while the connection's owner or another connection is in the way. */
  #readNow(request: PullRequest): PullResult | undefined {
    if (this.#engine.isInForeignTransaction) {
      this.#onUnread();
      return undefined;
    }
    try {
      return this.#engine.reads.readNow(() => this.#messages.read(request));
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) throw error;
      this.#onUnread();
      return undefined;
    }
  }
}
