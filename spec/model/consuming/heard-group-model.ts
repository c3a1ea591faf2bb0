import type { DeadLettered, ListeningGroupModel } from "./group-model.js";
import type { Call, Delivered, ModelMember } from "./hold.js";
import type { ListenedQueueModel } from "./listened-queue-model.js";
import type { SentMessage } from "./message-book.js";
import type { Ended, Outcome } from "./outcome.js";
import { SharingGroupModel } from "./sharing-group-model.js";

/** A group whose members share its queues, and have listeners. */
export abstract class HeardGroupModel<Q extends ListenedQueueModel = ListenedQueueModel>
  extends SharingGroupModel<Q>
  implements ListeningGroupModel
{
  abstract readonly lastOutcome: Outcome;

  abstract countConsumed(ended: Ended, size: number): number;

  /** @returns whether a queue waited for it. */
  protected abstract buried(message: SentMessage, event: DeadLettered): boolean;

  delivered(member: ModelMember, name: string, batch: readonly Delivered[]): Call {
    return this.queueOf(name).delivered(this.holdOf(member, name), batch);
  }

  returned(call: Call, ended: Ended): void {
    this.queueOf(call.hold.queue).returned(call, ended);
  }

  timedOut(call: Call): void {
    this.queueOf(call.hold.queue).timedOut(call);
  }

  deadLettered(event: DeadLettered): void {
    const message = this.surroundings.book.byId(event.messageId);
    if (message === undefined) this.broken(`${event.messageId} is dead, which nobody sent`);
    else if (!this.buried(message, event)) this.broken(`${message.name} is dead, though it need not die`);
    else this.died(message);
  }
}
