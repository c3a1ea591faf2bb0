import type { Retried } from "./group-model.js";
import { type SentMessage, TOPIC } from "./message-book.js";
import { PopGroupModel, type Receipt } from "./pop-group-model.js";

interface MessageState {
  /** Of its last delivery. */
  receipt: Receipt;
  /** Its time was up, so that a copy is to be delivered in its place. */
  isRevived: boolean;
  /** Acknowledged, or dead. */
  isDone: boolean;
}

/** Messages of a queue come in the order of their offsets for the first time; each goes its own way then. */
export class UnorderedPopGroupModel extends PopGroupModel {
  readonly isAttemptStored = true;
  readonly #states = new Map<SentMessage, MessageState>();
  /** By queue: everything before was delivered. */
  readonly #positions = new Map<number, number>();

  progressed(queue: string, nextOffset: number): void {
    const [topic, id] = queue.split(" ");
    if (topic !== TOPIC) return;
    const position = this.#positionIn(Number(id));
    if (this.wantedFrom(Number(id), nextOffset) !== this.wantedFrom(Number(id), position))
      this.broken(`${queue}: its progress is ${nextOffset}, though everything before ${position} was delivered`);
  }

  unfinished(): readonly string[] {
    const { queues } = this.surroundings.book;
    const messages = queues.flat().filter(({ isWanted }) => isWanted);
    return messages
      .filter((message) => this.#states.get(message)?.isDone !== true)
      .map(({ name }) => `${this.group}: ${name}`);
  }

  protected take(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) {
      const state = this.#states.get(receipt.message);
      if (state === undefined) this.#takeFirst(receipt);
      else this.#takeAgain(state, receipt);
    }
  }

  protected isInHand(receipt: Receipt): boolean {
    const state = this.#states.get(receipt.message);
    return state?.receipt === receipt && !state.isDone && !state.isRevived;
  }

  protected acknowledge({ message }: Receipt): void {
    const state = this.#states.get(message);
    if (state !== undefined) state.isDone = true;
  }

  protected bury(message: SentMessage): boolean {
    const state = this.#states.get(message);
    if (state === undefined || state.isDone) return false;
    state.isDone = true;
    return state.isRevived && state.receipt.deliveryAttempt === this.maxAttempts;
  }

  protected revived(message: SentMessage, { deliveryAttempt, dueAt }: Retried): void {
    const state = this.#states.get(message);
    if (state === undefined || state.isDone || state.isRevived) {
      this.broken(`${message.name} is revived, which nobody has in hand`);
      return;
    }
    const { receipt } = state;
    state.isRevived = true;
    const { visibleAt } = receipt;
    if (dueAt < this.visibleFrom(receipt) || dueAt > visibleAt || dueAt > this.surroundings.machine.now)
      this.broken(`${message.name} is revived as of ${dueAt}, its time is up at ${visibleAt}`);
    if (deliveryAttempt !== receipt.deliveryAttempt)
      this.broken(`${message.name} is revived after attempt ${deliveryAttempt} instead of ${receipt.deliveryAttempt}`);
  }

  protected available(): readonly string[] {
    const { queues } = this.surroundings.book;
    const fresh = queues.flatMap((queue, queueId) => queue[this.wantedFrom(queueId, this.#positionIn(queueId))] ?? []);
    const due = [...this.#states.values()].filter(({ receipt, isDone }) => !isDone && this.isVisible(receipt));
    return [...fresh, ...due.map(({ receipt }) => receipt.message)].map(({ name }) => name);
  }

  #takeFirst(receipt: Receipt): void {
    const { message, queueOffset, deliveryAttempt, view } = receipt;
    const { queueId } = view;
    const position = this.#positionIn(queueId);
    if (deliveryAttempt !== 1) this.broken(`${message.name} as attempt ${deliveryAttempt} at first`);
    if (this.surroundings.book.at(queueId, queueOffset) !== message)
      this.broken(`${message.name} in queue ${queueId} at ${queueOffset}, where it is not`);
    if (this.wantedFrom(queueId, position) !== queueOffset)
      this.broken(`${message.name} in queue ${queueId} at ${queueOffset}, where ${position} comes next`);
    this.#positions.set(queueId, queueOffset + 1);
    this.#states.set(message, { receipt, isRevived: false, isDone: false });
  }

  #takeAgain(state: MessageState, receipt: Receipt): void {
    const { name } = receipt.message;
    const expected = state.receipt.deliveryAttempt + 1;
    if (state.isDone) this.broken(`${name}, which was acknowledged or is dead`);
    if (!state.isRevived) this.broken(`${name}, which somebody has in hand until ${state.receipt.visibleAt}`);
    if (receipt.deliveryAttempt !== expected)
      this.broken(`${name} as attempt ${receipt.deliveryAttempt} instead of ${expected}`);
    state.receipt = receipt;
    state.isRevived = false;
  }

  #positionIn(queueId: number): number {
    return this.#positions.get(queueId) ?? 0;
  }
}
