import type { HistoryEvent } from "../history.js";
import { getOrAdd } from "./get-or-add.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import type { Consumer, Consumption, TrackedMessage } from "./tracked-message.js";

/** One message queue as one consumer gets it. */
class Lane {
  /** Delivered last of those that were delivered for the first time in order. */
  highest: HistoryEvent | undefined;
  highestOffset: number = -1;
  /** Delivered, and not done: by offset. */
  readonly #open = new Map<number, HistoryEvent>();
  /** No lower offset is open. */
  #lowest: number = 0;

  opened(offset: number, event: HistoryEvent): void {
    if (this.#open.size === 0 || offset < this.#lowest) this.#lowest = offset;
    this.#open.set(offset, event);
  }

  done(offset: number): void {
    this.#open.delete(offset);
  }

  openBelow(offset: number): HistoryEvent | undefined {
    if (this.#open.size === 0) return undefined;
    while (!this.#open.has(this.#lowest)) this.#lowest += 1;
    return this.#lowest < offset ? this.#open.get(this.#lowest) : undefined;
  }
}

/**
 * In these topics a consumer gets the messages of a queue in the order of their offsets, and each only when those before it are done: consumed, dead-lettered
 * or expired. What was consumed may come again, from the lowest on. A failed message that is put off for later is not done: its successors have to wait.
 */
export function reorderedRule(topics: ReadonlySet<string>): HistoryRule {
  const lanes = new Map<Consumer, Map<string, Lane>>();
  const laneOf = ({ consumer }: Consumption, { topic, queueId }: HistoryEvent): Lane => {
    const ofConsumer = getOrAdd(lanes, consumer, () => new Map<string, Lane>());
    return getOrAdd(ofConsumer, `${queueId} ${topic}`, () => new Lane());
  };
  const delivered = (event: HistoryEvent, message: TrackedMessage, consumption: Consumption): string | undefined => {
    const place = message.placeBy(event);
    // A retry of a message of which the history does not say where it lies.
    if (place === undefined) return undefined;
    const lane = laneOf(consumption, place);
    const offset = place.queueOffset;
    const isFirst = consumption.deliveries.length === 0;
    const { highest, highestOffset } = lane;
    const waiting = lane.openBelow(offset);
    const isBehind = isFirst && offset < highestOffset;
    lane.opened(offset, event);
    if (isFirst && !isBehind) {
      lane.highest = event;
      lane.highestOffset = offset;
    }
    const what = `reordered: ${nameMessage(message, event)} was delivered to ${nameConsumer(consumption.consumer)} ${nameDelivery(event)}`;
    if (isBehind && highest !== undefined)
      return `${what}, after offset ${highestOffset} was, ${nameDelivery(highest)}`;
    if (waiting === undefined) return undefined;
    return `${what}, while offset ${waiting.queueOffset}, delivered ${nameDelivery(waiting)}, was not done`;
  };

  return (event, message, consumption) => {
    if (!topics.has(event.topic)) return undefined;
    if (event.state === "delivered" && consumption !== undefined) return delivered(event, message, consumption);
    const isDone = event.state === "consumed" || event.state === "dead-lettered" || event.state === "expired";
    const { place } = message;
    if (!isDone || place === undefined) return undefined;
    const concerned = consumption === undefined ? message.consumptions.values() : [consumption];
    for (const each of concerned) laneOf(each, place).done(place.queueOffset);
    return undefined;
  };
}
