import type { OrderlyContext } from "./consume-result.js";
import { Delivery, type DeliveryAddress } from "./delivery.js";
import type { OrderlyLane } from "./orderly-lane.js";
import type { CachedMessage } from "./process-queue.js";

/** What goes to an orderly listener in one call. */
export class OrderlyDelivery extends Delivery implements OrderlyContext {
  readonly lane: OrderlyLane;
  autoCommit = true as boolean;
  suspendCurrentQueueTimeMs: number;

  constructor(
    address: DeliveryAddress,
    lane: OrderlyLane,
    batch: readonly CachedMessage[],
    startedAt: number,
    suspendMs: number,
    onExcused: () => void,
  ) {
    super(address, lane.processQueue, batch, startedAt, onExcused);
    this.lane = lane;
    this.suspendCurrentQueueTimeMs = suspendMs;
  }

  override get isAcknowledgedBySuccess(): boolean {
    return this.autoCommit !== false;
  }
}
