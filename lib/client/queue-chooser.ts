import type { TopicRoute } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import { consistentHash } from "../message/consistent-hash.js";
import { javaStringHash } from "../message/java-hash.js";
import type { Message } from "../message/message.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { PreparedMessage } from "../message/message-validation.js";
import { describe } from "../options.js";
import type { ClientContext } from "./client-context.js";
import type { MessageQueueSelector } from "./queue-selectors.js";

/** RocketMQ's client code for a topic that has no queue to write to. */
const NO_ROUTE = 10005;

/**
 * Picks the message queue of a send. Without a wish the messages of a group go to its queue; for others the writable queues take turns, from a random
 * one on for each topic, so that producers of several processes spread.
 *
 * Source: RocketMQ, `client/.../impl/producer/TopicPublishInfo.java`; `DefaultMQProducerImpl.java`, `sendSelectImpl`;
 * `proxy/.../grpc/v2/producer/SendMessageActivity.java`, `SendMessageQueueSelector`.
 */
export class QueueChooser {
  readonly #context: ClientContext;
  readonly #turns = new Map<string, { next: number }>();

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** @param message - what the selector is shown. */
  choose(
    { topic, messageGroup }: PreparedMessage,
    message: Message,
    wish: number | MessageQueueSelector | undefined,
  ): number {
    const route = this.#context.port.getRoute(topic);
    const { length } = route.writeQueues;
    if (length === 0) {
      throw new MqError("ERR_MQ_NO_PERMISSION", `topic ${topic} has no message queue that may be written to`, {
        responseCode: NO_ROUTE,
      });
    }
    if (wish === undefined && messageGroup !== undefined) return consistentHash(javaStringHash(messageGroup), length);
    if (wish === undefined) {
      const turn = this.#turns.get(topic) ?? this.#firstTurn(topic);
      turn.next += 1;
      return turn.next % length;
    }
    if (typeof wish === "function") return this.#select(route, message, wish);
    if (!Number.isInteger(wish)) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", `queue must be an integer or a selector, got ${describe(wish)}`);
    }
    return wish >= 0 ? wish : this.#context.chance.nextInt(length);
  }

  #firstTurn(topic: string): { next: number } {
    const turn = { next: this.#context.chance.nextInt(2 ** 31) };
    this.#turns.set(topic, turn);
    return turn;
  }

  #select({ topic, writeQueues }: TopicRoute, message: Message, selector: MessageQueueSelector): number {
    let selected: MessageQueue;
    try {
      selected = selector(writeQueues, message);
    } catch (cause) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", "the message queue selector threw", { cause });
    }
    if (selected === undefined || selected === null) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", "the message queue selector returned no queue");
    }
    if (
      selected.topic !== topic ||
      selected.brokerName !== this.#context.port.brokerName ||
      !writeQueues.some(({ queueId }) => queueId === selected.queueId)
    ) {
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `the message queue selector must return one of the ${writeQueues.length} queues it was given`,
      );
    }
    return selected.queueId;
  }
}
