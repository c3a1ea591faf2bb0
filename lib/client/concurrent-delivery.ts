import type { BatchConsumeContext } from "./consume-result.js";
import { Delivery } from "./delivery.js";

/** What goes to a concurrent listener in one call. */
export class ConcurrentDelivery extends Delivery implements BatchConsumeContext {
  ackIndex: number = Number.MAX_SAFE_INTEGER;
  delayLevelWhenNextConsume = 0 as number;

  /** How many of the batch, from its front, a success acknowledges: none with an index that is no number, as it may be meant to be any. */
  get acknowledged(): number {
    const acknowledged =
      Number.isNaN(this.ackIndex) || typeof this.ackIndex !== "number" ? 0 : Math.floor(this.ackIndex) + 1;
    return Math.max(0, Math.min(acknowledged, this.batch.length));
  }
}
