import type { DeadLettered, Retried } from "./group-model.js";
import type { SentMessage } from "./message-book.js";
import { OrderlyQueueModel } from "./orderly-queue-model.js";
import type { QueueSurroundings } from "./queue-model.js";
import { SharingGroupModel } from "./sharing-group-model.js";

/** A group whose members consume in order. */
export class OrderlyGroupModel extends SharingGroupModel<OrderlyQueueModel> {
  readonly isAttemptStored = false;
  /** Seen to be dead by what was delivered since, and not told yet. */
  readonly #untold = new Set<SentMessage>();

  /** When it comes again is seen then. */
  retried({ messageId, dueAt }: Retried): void {
    const { book, machine } = this.surroundings;
    if (dueAt <= machine.now) this.broken(`${book.byId(messageId)?.name} is put off until now`);
  }

  protected buried(message: SentMessage, { deliveryAttempt }: DeadLettered): boolean {
    return this.queues.some((queue) => queue.deadLettered(message, deliveryAttempt)) || this.#untold.has(message);
  }

  protected undecided(): readonly string[] {
    const dying = this.queues.flatMap((queue) => queue.dying()).map((name) => `${name} is to be buried`);
    return [...dying, ...[...this.#untold].map(({ name }) => `${name} is dead, and nobody says so`)];
  }

  protected override died(message: SentMessage): void {
    if (!this.#untold.delete(message)) super.died(message);
  }

  protected createQueue(name: string, surroundings: QueueSurroundings): OrderlyQueueModel {
    return new OrderlyQueueModel(name, surroundings, {
      dies: (message) => this.surroundings.dies(message),
      buried: (message) => {
        super.died(message);
        this.#untold.add(message);
      },
    });
  }
}
