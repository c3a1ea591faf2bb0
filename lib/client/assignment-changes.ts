import { callListener } from "../call-listener.js";
import type { Logger } from "../logger.js";
import { formatMessageQueue, type MessageQueue } from "../message/message-queue.js";

export interface AssignmentChangesOptions {
  readonly logger: Logger;
  readonly current: () => readonly MessageQueue[];
  readonly listener: ((added: readonly MessageQueue[], removed: readonly MessageQueue[]) => void) | undefined;
}

/** Tells a listener of the user's what came to the queues of a consumer and what went, since it was told last. */
export class AssignmentChanges {
  readonly #options: AssignmentChangesOptions;
  #told: readonly MessageQueue[] = [];
  #isLooking = false;

  constructor(options: AssignmentChangesOptions) {
    this.#options = options;
  }

  /** In a microtask, as the listener may do anything, and what changes them may be in the middle of it; pulling one of the new queues takes longer. */
  look(): void {
    if (this.#isLooking || this.#options.listener === undefined) return;
    this.#isLooking = true;
    void Promise.resolve().then(() => {
      this.#isLooking = false;
      this.#tell();
    });
  }

  #tell(): void {
    const { logger, current, listener } = this.#options;
    const before = this.#told;
    const now = [...current()];
    this.#told = now;
    const added = without(now, before);
    const removed = without(before, now);
    if (added.length > 0 || removed.length > 0) callListener("onAssignmentChange", logger, listener, added, removed);
  }
}

function without(queues: readonly MessageQueue[], others: readonly MessageQueue[]): readonly MessageQueue[] {
  const left = new Set(others.map(formatMessageQueue));
  return queues.filter((queue) => !left.has(formatMessageQueue(queue)));
}
