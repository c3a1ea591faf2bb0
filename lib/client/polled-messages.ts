import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { StoredMessageView } from "../message/message-view.js";
import type { Clock } from "../time/clock.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

export interface PolledMessagesOptions {
  readonly clock: Clock;
  /** Called before anything is handed out, as {@link BrokerPort.catchUp}: queues that are somebody else's by now are forgotten within it. */
  readonly catchUp: (then: () => void) => boolean;
  /** These messages of the queue are handed out. */
  readonly handedOut: (processQueue: ProcessQueue, messages: readonly StoredMessageView[]) => void;
}

interface Waiter {
  readonly max: number;
  readonly resolve: (messages: readonly StoredMessageView[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What was pulled from the queues of one consumer and waits to be polled, and who waits for it. The queues take turns, whatever lies in them. A message that comes
 * while somebody waits is handed out within the step that brings it.
 */
export class PolledMessages {
  readonly #options: PolledMessagesOptions;
  /** Queues with what waits of them, lowest offset first; the one whose turn it is first. */
  readonly #ready = new Map<ProcessQueue, CachedMessage[]>();
  /** Queues of which nothing is handed out now, and how many calls are the reason. */
  readonly #withheld = new Map<string, number>();
  #waiter: Waiter | undefined;

  constructor(options: PolledMessagesOptions) {
    this.#options = options;
  }

  /** These were put into the queue. */
  added(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    const waiting = this.#ready.get(processQueue);
    if (waiting === undefined) this.#ready.set(processQueue, [...messages]);
    else waiting.push(...messages);
    this.#serve();
  }

  /** The queue was dropped, or is begun anew. */
  forget(processQueue: ProcessQueue): void {
    this.#ready.delete(processQueue);
  }

  /** Hands out nothing of this message queue until the returned function is called. */
  withhold({ topic, queueId }: MessageQueue): () => void {
    const key = queueKeyOf(topic, queueId);
    this.#withheld.set(key, (this.#withheld.get(key) ?? 0) + 1);
    return () => {
      const others = (this.#withheld.get(key) ?? 0) - 1;
      if (others > 0) this.#withheld.set(key, others);
      else this.#withheld.delete(key);
      this.#serve();
    };
  }

  /**
   * Resolves with messages of one queue, as many as there are of it up to `max`; with none when nothing comes in time. One call at a time.
   *
   * @param timeoutMs - 0 waits for nothing, infinity for ever.
   */
  receive(max: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<readonly StoredMessageView[]> {
    const messages = this.#take(max);
    if (messages.length > 0 || timeoutMs === 0) return Promise.resolve(messages);
    return new Promise((resolve, reject) => {
      const { clock } = this.#options;
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY ? undefined : clock.at(clock.now() + timeoutMs, this.#giveUp);
      const onAbort = (): void => this.fail(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      const end = (): void => {
        this.#waiter = undefined;
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      this.#waiter = {
        max,
        resolve: (found) => {
          end();
          resolve(found);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
    });
  }

  /** Whoever waits gets nothing. */
  end(): void {
    this.#waiter?.resolve([]);
  }

  fail(error: unknown): void {
    this.#waiter?.reject(error);
  }

  readonly #giveUp = (): void => this.end();

  readonly #serve = (): void => {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const messages = this.#take(waiter.max);
    if (messages.length > 0) waiter.resolve(messages);
  };

  #take(max: number): readonly StoredMessageView[] {
    if (this.#ready.size === 0 || !this.#options.catchUp(this.#serve)) return [];
    for (const [processQueue, waiting] of this.#ready) {
      if (this.#isWithheld(processQueue)) continue;
      const taken = waiting.splice(0, max);
      for (const cached of taken) processQueue.acknowledge(cached);
      this.#ready.delete(processQueue);
      if (waiting.length > 0) this.#ready.set(processQueue, waiting);
      const messages = taken.map(({ message }) => message);
      this.#options.handedOut(processQueue, messages);
      return messages;
    }
    return [];
  }

  #isWithheld({ messageQueue }: ProcessQueue): boolean {
    return this.#withheld.size > 0 && this.#withheld.has(queueKeyOf(messageQueue.topic, messageQueue.queueId));
  }
}
