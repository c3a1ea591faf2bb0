import type { MessageQueue } from "../message/message-queue.js";
import type { BatchConsumeContext } from "./consume-result.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** Messages that go to a listener in one call, and the context of that call. */
export class Delivery implements BatchConsumeContext {
  readonly group: string;
  readonly clientId: string;
  readonly processQueue: ProcessQueue;
  readonly batch: readonly CachedMessage[];
  ackIndex: number = Number.MAX_SAFE_INTEGER;
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(group: string, clientId: string, processQueue: ProcessQueue, batch: readonly CachedMessage[]) {
    this.group = group;
    this.clientId = clientId;
    this.processQueue = processQueue;
    this.batch = batch;
  }

  get messageQueue(): MessageQueue {
    return this.processQueue.messageQueue;
  }

  /** Made when first asked for: most listeners never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** How many of the batch, from its front, a success acknowledges. */
  get acknowledged(): number {
    const { ackIndex } = this;
    return Number.isInteger(ackIndex) ? Math.max(0, Math.min(ackIndex + 1, this.batch.length)) : this.batch.length;
  }
}
