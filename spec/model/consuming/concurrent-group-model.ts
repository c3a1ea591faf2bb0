import { ConcurrentQueueModel, countConsumed, type Failure } from "./concurrent-queue-model.js";
import type { Retried } from "./group-model.js";
import type { QueueSurroundings } from "./group-queue-model.js";
import { HeardGroupModel } from "./heard-group-model.js";
import type { Delivered } from "./hold.js";
import type { SentMessage } from "./message-book.js";
import type { Ended } from "./outcome.js";

interface MessageHistory {
  /** Where the copy for each attempt lies: the first in the topic, the others in the retry topic. */
  readonly places: string[];
  /** Failures that are stored: the attempt that comes next is one more. */
  retries: number;
  /** Of the machine's running time. */
  dueAt: number;
}

/** A group whose members consume in no order: each failure that is stored makes one copy, which is the only one from then on. */
export class ConcurrentGroupModel extends HeardGroupModel<ConcurrentQueueModel> {
  readonly isAttemptStored = true;
  readonly lastOutcome = "success";
  readonly #messages = new Map<SentMessage, MessageHistory>();
  #failures: Failure[] = [];

  retried({ messageId, deliveryAttempt, dueAt }: Retried): void {
    const { book, machine } = this.surroundings;
    const message = book.byId(messageId);
    const failure = message && this.#sentBack(message);
    if (message === undefined || failure === undefined) {
      this.broken(`${message?.name ?? messageId} is put off, which did not fail`);
      return;
    }
    const history = this.#historyOf(message);
    history.retries += 1;
    const waitMs = dueAt - machine.now;
    history.dueAt = machine.elapsed + waitMs;
    if (deliveryAttempt !== history.retries)
      this.broken(`${message.name} is put off after attempt ${deliveryAttempt}, the last was ${history.retries}`);
    if (waitMs !== failure.waitMs) this.broken(`${message.name} waits ${waitMs} ms instead of ${failure.waitMs}`);
  }

  countConsumed(ended: Ended, size: number): number {
    return countConsumed(ended, size);
  }

  protected buried(message: SentMessage): boolean {
    const failure = this.#sentBack(message);
    if (failure === undefined || failure.waitMs !== undefined) return false;
    this.surroundings.dies(message)();
    return true;
  }

  protected override undecided(): readonly string[] {
    const open = this.#failures.filter(({ call: { hold } }) => !hold.isOver && hold.isSure);
    return open.map(({ call, delivered }) => `${delivered.message.name} failed (${call}) and is not sent back`);
  }

  protected createQueue(name: string, surroundings: QueueSurroundings): ConcurrentQueueModel {
    return new ConcurrentQueueModel(name, surroundings, {
      failed: (failure) => this.#failures.push(failure),
      forget: (message) => this.#forget(message),
      check: (delivered, place) => this.#check(delivered, place),
    });
  }

  #check({ message, deliveryAttempt }: Delivered, place: string): string | undefined {
    this.#forget(message);
    const { retries, dueAt, places } = this.#historyOf(message);
    if (deliveryAttempt !== retries + 1)
      return `${message.name} as attempt ${deliveryAttempt} after ${retries} failures that are stored`;
    const { elapsed } = this.surroundings.machine;
    if (elapsed < dueAt) return `${message.name} ${dueAt - elapsed} ms too early`;
    const known = places[retries];
    places[retries] = place;
    return known === undefined || known === place ? undefined : `another copy of ${message.name} was ${known}`;
  }

  /** One of the deliveries that failed is stored, and is the message's fate. */
  #sentBack(message: SentMessage): Failure | undefined {
    const ofMessage = this.#failures.filter(({ delivered }) => delivered.message === message);
    // The broker tells of it after the step in which it happened, in which the queue may have been lost as well.
    const { steps } = this.surroundings.machine;
    const stored = ofMessage.find(({ call: { hold } }) => !hold.isOver || hold.overIn === steps);
    if (stored === undefined) return undefined;
    this.#forget(message);
    stored.queue.sentBack(stored.delivered.queueOffset);
    return stored;
  }

  #forget(message: SentMessage): void {
    this.#failures = this.#failures.filter(({ delivered }) => delivered.message !== message);
  }

  #historyOf(message: SentMessage): MessageHistory {
    let history = this.#messages.get(message);
    if (history === undefined) {
      history = { places: [], retries: 0, dueAt: Number.NEGATIVE_INFINITY };
      this.#messages.set(message, history);
    }
    return history;
  }
}
