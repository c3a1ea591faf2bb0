import { type SentMessage, TOPIC } from "./message-book.js";
import { PopGroupModel, type Receipt } from "./pop-group-model.js";

interface InHand {
  readonly receipt: Receipt;
  isAcknowledged: boolean;
}

/** What the group has in hand of a queue, the lowest offset first. */
interface QueueState {
  /** Everything before is acknowledged, or dead. */
  next: number;
  inHand: readonly InHand[];
}

/**
 * A queue is blocked until all that was delivered of it last is acknowledged or visible again; then it is delivered from the first one on that is not acknowledged,
 * those behind it that are once more. Only that first one has failed.
 */
export class OrderedPopGroupModel extends PopGroupModel {
  readonly isAttemptStored = false;
  readonly #queues = new Map<number, QueueState>();

  progressed(queue: string, nextOffset: number): void {
    const [topic, id] = queue.split(" ");
    const queueId = Number(id);
    const { next } = this.#stateOf(queueId);
    if (topic !== TOPIC) this.broken(`there is progress in ${queue}`);
    else if (this.wantedFrom(queueId, nextOffset) !== this.wantedFrom(queueId, next))
      this.broken(`${queue}: its progress is ${nextOffset}, though everything before ${next} is done`);
  }

  unfinished(): readonly string[] {
    const { queues } = this.surroundings.book;
    const open = queues.flatMap((queue, id) => queue[this.wantedFrom(id, this.#stateOf(id).next)] ?? []);
    return open.map(({ name }) => `${this.group}: ${name}`);
  }

  protected take(receipts: readonly Receipt[]): void {
    const byQueue = new Map<number, Receipt[]>();
    for (const receipt of receipts) {
      const { queueId } = receipt.view;
      byQueue.set(queueId, [...(byQueue.get(queueId) ?? []), receipt]);
    }
    for (const [queueId, ofQueue] of byQueue) this.#takeOf(queueId, ofQueue);
  }

  protected isInHand(receipt: Receipt): boolean {
    const { inHand } = this.#stateOf(receipt.view.queueId);
    return inHand.some((one) => one.receipt === receipt && !one.isAcknowledged);
  }

  protected acknowledge(receipt: Receipt): void {
    const state = this.#stateOf(receipt.view.queueId);
    const { inHand } = state;
    for (const one of inHand) if (one.receipt === receipt) one.isAcknowledged = true;
    const open = inHand.find(({ isAcknowledged }) => !isAcknowledged);
    state.next = open?.receipt.queueOffset ?? (inHand.at(-1)?.receipt.queueOffset ?? 0) + 1;
    if (open === undefined) state.inHand = [];
  }

  protected bury(message: SentMessage): boolean {
    const { queueId, queueOffset } = message;
    const state = this.#stateOf(queueId);
    const first = state.inHand.find(({ isAcknowledged }) => !isAcknowledged);
    const isTime = first?.receipt.message === message && first.receipt.deliveryAttempt === this.maxAttempts;
    const isBlocked = this.#hiddenOf(state).some((receipt) => !this.mayBeVisible(receipt));
    // Whatever is behind it has not failed, and comes again.
    state.next = queueOffset + 1;
    state.inHand = [];
    return isTime && !isBlocked;
  }

  protected revived({ name }: SentMessage): void {
    this.broken(`${name} is put off`);
  }

  protected available(): readonly string[] {
    const { queues } = this.surroundings.book;
    return queues.flatMap((queue, id) => {
      const state = this.#stateOf(id);
      const message = queue[this.wantedFrom(id, state.next)];
      return message === undefined || this.#hiddenOf(state).length > 0 ? [] : [message.name];
    });
  }

  #takeOf(queueId: number, receipts: readonly Receipt[]): void {
    const state = this.#stateOf(queueId);
    const blocking = this.#hiddenOf(state).filter((receipt) => !this.mayBeVisible(receipt));
    const names = receipts.map(({ message }) => message.name).join(", ");
    for (const { message, visibleAt } of blocking)
      this.broken(`${names} of queue ${queueId}, which ${message.name} blocks until ${visibleAt}`);
    const failed = state.inHand.find(({ isAcknowledged }) => !isAcknowledged);
    let { next } = state;
    for (const { message, queueOffset, deliveryAttempt } of receipts) {
      const isFailed = failed?.receipt.message === message;
      const expected = isFailed ? failed.receipt.deliveryAttempt + 1 : 1;
      if (deliveryAttempt !== expected)
        this.broken(`${message.name} as attempt ${deliveryAttempt} instead of ${expected}`);
      if (this.surroundings.book.at(queueId, queueOffset) !== message)
        this.broken(`${message.name} in queue ${queueId} at ${queueOffset}, where it is not`);
      if (this.wantedFrom(queueId, next) !== queueOffset)
        this.broken(`${message.name} in queue ${queueId} at ${queueOffset}, where ${next} comes next`);
      next = queueOffset + 1;
    }
    state.inHand = receipts.map((receipt) => ({ receipt, isAcknowledged: false }));
    state.next = receipts[0]?.queueOffset ?? state.next;
  }

  /** Those that block it, unless it was found out that the clock was set back. */
  #hiddenOf({ inHand }: QueueState): readonly Receipt[] {
    const hidden = inHand.filter(({ receipt, isAcknowledged }) => !isAcknowledged && !this.isVisible(receipt));
    return hidden.map(({ receipt }) => receipt);
  }

  #stateOf(queueId: number): QueueState {
    const state = this.#queues.get(queueId) ?? { next: 0, inHand: [] };
    this.#queues.set(queueId, state);
    return state;
  }
}
