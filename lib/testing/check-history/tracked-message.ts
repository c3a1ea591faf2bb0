import type { HistoryEvent } from "../history.js";

/** Who is to get each message once: a group, or one client of a broadcasting group. */
export interface Consumer {
  readonly group: string;
  readonly clientId: string | undefined;
}

/** What a history has said so far about one message and one consumer. */
export class Consumption {
  readonly consumer: Consumer;
  readonly deliveries: HistoryEvent[] = [];
  /** The delivery with the highest attempt. */
  newest: HistoryEvent | undefined;
  /** The last delivery while nothing has come of it. */
  inHand: HistoryEvent | undefined;
  consumed: HistoryEvent | undefined;
  consumedLast: HistoryEvent | undefined;
  /** When the client that consumed it last had got it. */
  consumedSince: number = 0;
  wasDeliveredAgain: boolean = false;
  /** The one with the highest attempt. */
  retried: HistoryEvent | undefined;
  deadLettered: HistoryEvent | undefined;
  expired: HistoryEvent | undefined;
  /** When the first of these happened by which the group's offset may pass the message. */
  acknowledgedAt: number = Number.POSITIVE_INFINITY;

  constructor(consumer: Consumer) {
    this.consumer = consumer;
  }

  enter(event: HistoryEvent): void {
    switch (event.state) {
      case "delivered":
        this.deliveries.push(event);
        if (this.newest === undefined || attemptOf(event) > attemptOf(this.newest)) this.newest = event;
        this.inHand = event;
        this.wasDeliveredAgain = this.consumed !== undefined;
        return;
      case "consumed":
        this.consumed ??= event;
        this.consumedLast = event;
        this.consumedSince = this.#lastDeliveryTo(event.clientId)?.at ?? event.at;
        this.wasDeliveredAgain = false;
        break;
      case "retried":
        if (this.retried === undefined || attemptOf(event) > attemptOf(this.retried)) this.retried = event;
        break;
      case "dead-lettered":
        this.deadLettered ??= event;
        break;
      case "expired":
        this.expired ??= event;
        break;
      default:
        return;
    }
    this.acknowledgedAt = Math.min(this.acknowledgedAt, event.at);
    const holder = this.inHand?.clientId;
    if (holder === undefined || event.clientId === undefined || event.clientId === holder) this.inHand = undefined;
  }

  /** When this client got it first, the last of several deliveries being in hand, and results of the others on their way perhaps. */
  firstDeliveredAt(wanted: string | undefined): number | undefined {
    return this.deliveries.find(({ clientId }) => clientId === wanted)?.at;
  }

  #lastDeliveryTo(wanted: string | undefined): HistoryEvent | undefined {
    for (let index = this.deliveries.length - 1; index >= 0; index -= 1)
      if (this.deliveries[index]?.clientId === wanted) return this.deliveries[index];
    return undefined;
  }
}

/** What a history has said so far about one message. */
export class TrackedMessage {
  readonly topic: string;
  readonly messageId: string;
  /** When consumers could get it: stored, or its transaction committed. */
  stored: HistoryEvent | undefined;
  delivered: HistoryEvent | undefined;
  half: HistoryEvent | undefined;
  committed: HistoryEvent | undefined;
  rolledBack: HistoryEvent | undefined;
  /** For all groups. */
  expired: HistoryEvent | undefined;
  #firstAttempt: HistoryEvent | undefined;
  readonly consumptions: Map<Consumer, Consumption> = new Map();

  constructor(topic: string, messageId: string) {
    this.topic = topic;
    this.messageId = messageId;
  }

  /** An event that says in which queue the message lies. Retries are delivered from another one. */
  get place(): HistoryEvent | undefined {
    return this.stored ?? this.#firstAttempt;
  }

  /** The same where this event of the message may be the first that says it. */
  placeBy(event: HistoryEvent): HistoryEvent | undefined {
    return this.place ?? (attemptOf(event) === 1 ? event : undefined);
  }

  enter(event: HistoryEvent, consumption: Consumption | undefined): void {
    if (event.state === "delivered") {
      this.delivered ??= event;
      if (attemptOf(event) === 1) this.#firstAttempt ??= event;
    }
    if (event.state === "stored") this.stored ??= event;
    if (event.state === "half") this.half ??= event;
    if (event.state === "committed") {
      this.committed ??= event;
      this.stored ??= event;
    }
    if (event.state === "rolled-back") this.rolledBack ??= event;
    if (event.state === "expired" && consumption === undefined) this.expired ??= event;
    consumption?.enter(event);
  }
}

export function attemptOf({ deliveryAttempt = 1 }: HistoryEvent): number {
  return deliveryAttempt;
}
