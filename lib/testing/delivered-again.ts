import type { PullRequest, PullResult } from "../broker/broker-port.js";
import { queueKeyOf } from "../message/message-queue.js";
import type { StoredMessageView } from "../message/message-view.js";

interface Waiting {
  readonly copy: StoredMessageView;
  /** The first delivery is over. */
  isDue: boolean;
}

/** Messages that a group is to get once more from this client, after it is done with them. */
export class DeliveredAgain {
  readonly #queues = new Map<string, Waiting[]>();
  readonly #held = new Map<string, () => void>();

  /** @param isDue - at once, rather than when it is consumed. */
  add(request: PullRequest, message: StoredMessageView, isDue: boolean): void {
    const key = keyOf(request);
    const waiting = this.#queues.get(key) ?? [];
    this.#queues.set(key, waiting);
    waiting.push({ copy: message.again(0), isDue });
  }

  /** The group has consumed everything before this offset. */
  consumed(group: string, topic: string, queueId: number, nextOffset: number): void {
    const key = keyOf({ group, topic, queueId });
    for (const waiting of this.#queues.get(key) ?? []) if (waiting.copy.queueOffset < nextOffset) waiting.isDue = true;
    if (this.#hasDue(key)) this.#held.get(key)?.();
  }

  /** What is to be answered in place of what there is. */
  take(request: PullRequest, found: PullResult): PullResult | undefined {
    const waiting = this.#queues.get(keyOf(request)) ?? [];
    const due = waiting.find(({ isDue }) => isDue);
    if (due === undefined) return undefined;
    waiting.splice(waiting.indexOf(due), 1);
    return { ...found, status: "FOUND", nextOffset: request.offset, messages: [due.copy] };
  }

  /** While `pull` is held something may become due: then its signal is aborted, which ends it. */
  async whileHeld<T>(request: PullRequest, signal: AbortSignal, pull: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const key = keyOf(request);
    const controller = new AbortController();
    const end = (): void => controller.abort();
    signal.addEventListener("abort", end, { once: true });
    this.#held.set(key, end);
    if (signal.aborted || this.#hasDue(key)) end();
    try {
      return await pull(controller.signal);
    } finally {
      signal.removeEventListener("abort", end);
      if (this.#held.get(key) === end) this.#held.delete(key);
    }
  }

  #hasDue(key: string): boolean {
    return this.#queues.get(key)?.some(({ isDue }) => isDue) === true;
  }
}

function keyOf({ group, topic, queueId }: Pick<PullRequest, "group" | "topic" | "queueId">): string {
  return `${group}\n${queueKeyOf(topic, queueId)}`;
}
