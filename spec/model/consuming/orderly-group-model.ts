import type { DeadLettered, Retried } from "./group-model.js";
import type { QueueSurroundings } from "./group-queue-model.js";
import { HeardGroupModel } from "./heard-group-model.js";
import type { SentMessage } from "./message-book.js";
import { OrderlyQueueModel, verdictOf } from "./orderly-queue-model.js";
import type { Ended } from "./outcome.js";

/** A group whose members consume in order. */
export class OrderlyGroupModel extends HeardGroupModel<OrderlyQueueModel> {
  readonly isAttemptStored = false;
  readonly lastOutcome = "commit";
  /** Seen to be dead by what was delivered since, and not told yet. */
  readonly #untold = new Set<SentMessage>();

  /** When it comes again is seen then. */
  retried({ messageId, dueAt }: Retried): void {
    const { book, machine } = this.surroundings;
    if (dueAt <= machine.now) this.broken(`${book.byId(messageId)?.name} is put off until now`);
  }

  countConsumed(ended: Ended, size: number): number {
    return ["commit", "keep"].includes(verdictOf(ended)) ? size : 0;
  }

  protected buried(message: SentMessage, { deliveryAttempt }: DeadLettered): boolean {
    return this.queues.some((queue) => queue.deadLettered(message, deliveryAttempt)) || this.#untold.has(message);
  }

  protected override undecided(): readonly string[] {
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
