import { MqError } from "../errors.js";
import { javaHashCode } from "../message/java-hash.js";
import type { Message } from "../message/message.js";
import type { MessageQueue } from "../message/message-queue.js";
import { type Chance, systemChance } from "../time/chance.js";

/**
 * Picks the message queue of one send, out of the topic's writable queues in the order of their ids. What it throws, or returns besides one
 * of them, fails the send.
 */
export type MessageQueueSelector = (queues: readonly MessageQueue[], message: Message) => MessageQueue;

/**
 * The same queue for the same argument as long as the number of queues stays, and the same that a Java producer picks: `|hashCode % n|`.
 * An integer of 32 bits hashes as `Integer`, a larger one and a bigint as `Long`, any other number as `Double`.
 *
 * Source: RocketMQ 5.3.3, `client/.../producer/selector/SelectMessageQueueByHash.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for an argument of another type.
 */
export function selectByHash(arg: string | number | bigint | boolean): MessageQueueSelector {
  const hashCode = javaHashCode(arg);
  return (queues) => queueAt(queues, Math.abs(hashCode % queues.length));
}

/** Any of the queues, each equally likely. Source: RocketMQ 5.3.3, `client/.../producer/selector/SelectMessageQueueByRandom.java`. */
export function selectByRandom(): MessageQueueSelector {
  return createRandomSelector(systemChance);
}

export function createRandomSelector(chance: Chance): MessageQueueSelector {
  return (queues) => queueAt(queues, chance.nextInt(Math.max(queues.length, 1)));
}

function queueAt(queues: readonly MessageQueue[], index: number): MessageQueue {
  const queue = queues[index];
  if (queue !== undefined) return queue;
  throw new MqError("ERR_MQ_INVALID_ARGUMENT", "a message queue cannot be selected out of none");
}
