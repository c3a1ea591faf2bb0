import type { HistoryEvent } from "../history.js";
import { getOrAdd } from "./get-or-add.js";
import { type Consumer, Consumption, TrackedMessage } from "./tracked-message.js";

/** Every message that a history spoke of so far, in the order in which it did, and who takes part in which topic. */
export class TrackedHistory {
  readonly #broadcasting: ReadonlySet<string>;
  readonly #messages = new Map<string, Map<string, TrackedMessage>>();
  readonly #consumers = new Map<string, Map<string, Consumer>>();
  readonly #participants = new Map<string, Set<Consumer>>();

  constructor(broadcasting: ReadonlySet<string>) {
    this.#broadcasting = broadcasting;
  }

  *messages(): Generator<TrackedMessage> {
    for (const ofTopic of this.#messages.values()) yield* ofTopic.values();
  }

  /** Groups that got at least one message of the topic, or clients of broadcasting ones. */
  participants(topic: string): Iterable<Consumer> {
    return this.#participants.get(topic) ?? [];
  }

  messageOf({ topic, messageId }: HistoryEvent): TrackedMessage {
    const ofTopic = getOrAdd(this.#messages, topic, () => new Map<string, TrackedMessage>());
    return getOrAdd(ofTopic, messageId, () => new TrackedMessage(topic, messageId));
  }

  /** `undefined` for what concerns no consumer, or all. */
  consumptionOf(event: HistoryEvent, message: TrackedMessage): Consumption | undefined {
    switch (event.state) {
      case "delivered":
      case "consumed":
      case "retried":
      case "dead-lettered":
        break;
      case "expired":
        if (event.group === undefined) return undefined;
        break;
      default:
        return undefined;
    }
    const consumer = this.consumerOf(event.group ?? "", event.clientId);
    return getOrAdd(message.consumptions, consumer, () => {
      getOrAdd(this.#participants, event.topic, () => new Set<Consumer>()).add(consumer);
      return new Consumption(consumer);
    });
  }

  consumerOf(group: string, clientId: string | undefined): Consumer {
    const name = this.#broadcasting.has(group) ? (clientId ?? "") : "";
    const ofGroup = getOrAdd(this.#consumers, group, () => new Map<string, Consumer>());
    return getOrAdd(ofGroup, name, () => ({ group, clientId: name === "" ? undefined : name }));
  }
}
