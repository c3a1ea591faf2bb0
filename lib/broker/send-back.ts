import { MqError } from "../errors.js";
import type { StoredMessageView } from "../message/message-view.js";
import { PROPERTY } from "../message/properties.js";
import type { RecordContent } from "../message/record.js";
import { PERM } from "../message/system-topics.js";
import type { GroupConfig } from "../store/group-table.js";
import type { TopicConfig } from "../store/topic-table.js";
import type { Chance } from "../time/chance.js";
import { clampDelayLevel, delayOfLevel } from "../time/delay-levels.js";
import type { MessageModel } from "./broker-port.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import { copiedProperties } from "./copied-properties.js";
import type { DeadLetters } from "./dead-letters.js";
import type { DueMessages } from "./due-messages.js";
import type { Groups } from "./groups.js";
import type { Profile } from "./profile.js";
import type { QueueOwnership } from "./queue-claims.js";
import type { QueueStates } from "./queue-states.js";
import { parseRetryPolicy, retryDelay, retryLevel } from "./retry-policy.js";
import { type RetryTopics, usableQueueCount } from "./retry-topics.js";
import type { SentBack } from "./sent-back.js";

/** Messages of one group that were delivered and could not be consumed. */
export interface SendBackRequest {
  readonly group: string;
  /** As they were pulled. */
  readonly messages: readonly StoredMessageView[];
  /** 0: the group's retry policy decides, else the step after the message's last one. Above 0: this delay level. Below 0: to the dead letters. */
  readonly delayLevel: number;
  /** How many retries a message gets; `undefined`: as many as its group says. */
  readonly maxReconsumeTimes: number | undefined;
  /** Of a member that consumes in order: it has counted the failures in memory, and these messages have used up their attempts. */
  readonly orderly?: { readonly messageModel: MessageModel } | undefined;
  /**
   * Of a client behind a connection: its queue may be nobody's, as it takes part no more, or not again yet. It may also be another process's that is about to let go of it, from which the client knows to have it
   * before that: it counts the message as done then, so that a copy is stored all the same, as in RocketMQ.
   */
  readonly isRemote?: boolean | undefined;
}

/**
 * What became of a message that was sent back. `dropped`: its group has no retry queues, and nothing is left of it. `known`: it had been sent back
 * before. `notOwned`: its queue is another process's now, which delivers it again, and the member that sent it back drops what it has of it.
 */
export type SendBackOutcome =
  | { readonly kind: "retried"; readonly dueAt: number }
  | { readonly kind: "deadLettered" | "dropped" | "known" | "notOwned" };

/** What a broker sends messages back with. */
export interface SendBackParts {
  readonly profile: Profile;
  readonly chance: Chance;
  readonly groups: Groups;
  readonly retryTopics: RetryTopics;
  readonly queues: QueueStates;
  readonly deadLetters: DeadLetters;
  readonly due: DueMessages;
  /** Of each delay level. */
  readonly delayLevelsMs: readonly number[];
  readonly sentBack: SentBack;
  readonly offsets: ConsumeOffsets<string>;
  readonly ownership: QueueOwnership;
}

/**
 * Stores a copy of each message in the retry topic of its group, to become visible after a while, or in its dead-letter queue, and acknowledges the
 * message itself: both in the transaction that is open, so that a crash leaves exactly one of the two.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/AbstractSendMessageProcessor.java`, `consumerSendMsgBack`.
 */
export class SendBack {
  readonly #parts: SendBackParts;

  constructor(parts: SendBackParts) {
    this.#parts = parts;
  }

  /** Throws before anything is collected or written. */
  apply(request: SendBackRequest, now: number): readonly SendBackOutcome[] {
    const { group, orderly, isRemote = false } = request;
    const { ownership } = this.#parts;
    this.#parts.groups.requireForConsumer(group);
    const copies = orderly === undefined ? this.#copies(request, now) : this.#orderlyCopies(request);
    return copies.map(({ message, store }) => {
      // Whoever broadcasts acknowledges by his own progress.
      if (orderly?.messageModel === "broadcasting") return store();
      const queue = [group, message.storedTopic, message.queueId] as const;
      const isOurs = isRemote ? ownership.isFreeNow(...queue) : ownership.holdsNow(...queue);
      if (!isOurs && !isRemote) return { kind: "notOwned" };
      return this.#acknowledge(group, message, isOurs) ? store() : { kind: "known" };
    });
  }

  #copies({ group, messages, delayLevel, maxReconsumeTimes }: SendBackRequest, now: number): readonly Copy[] {
    const { groups, retryTopics, deadLetters } = this.#parts;
    const config = groups.get(group);
    const retry = config.retryQueueNums <= 0 ? undefined : retryTopics.requireRetryTopic(config);
    if (retry !== undefined && (retry.perm & PERM.WRITE) === 0)
      throw new MqError("ERR_MQ_NO_PERMISSION", `topic ${retry.topic} is not writable`);
    const max = maxReconsumeTimes ?? config.retryMaxTimes;
    return messages.map((message): Copy => {
      const isLast = message.storedReconsumeTimes >= max || delayLevel < 0;
      if (retry === undefined) return { message, store: () => ({ kind: "dropped" }) };
      if (!isLast) return { message, store: this.#putOff(config, retry, message, delayLevel, now) };
      return { message, store: this.#bury(group, deadLetters.recordOf(message)) };
    });
  }

  /**
   * As an orderly consumer of RocketMQ sends them by itself, and its broker redirects them.
   *
   * Source: RocketMQ 5.3.3, `client/.../impl/consumer/ConsumeMessageOrderlyService.java`, `sendMessageBack`; `broker/.../processor/SendMessageProcessor.java`,
   * `handleRetryAndDLQ`.
   */
  #orderlyCopies({ group, messages, maxReconsumeTimes }: SendBackRequest): readonly Copy[] {
    const { profile } = this.#parts;
    return messages.map((message): Copy => {
      const properties = new Map(message.storedProperties);
      const reconsumeTimes = message.reconsumeTimes + 1;
      if (!properties.has(PROPERTY.ORIGIN_MESSAGE_ID)) properties.set(PROPERTY.ORIGIN_MESSAGE_ID, message.messageId);
      properties.set(PROPERTY.RETRY_TOPIC, message.topic).delete(PROPERTY.TRAN_MSG);
      if (profile.keepsDelayProperties) {
        properties.set(PROPERTY.DELAY, "-1").set(PROPERTY.RECONSUME_TIME, String(reconsumeTimes));
        properties.set(PROPERTY.MAX_RECONSUME_TIMES, String(maxReconsumeTimes));
      }
      return { message, store: this.#bury(group, message.toRetriedRecord(properties, reconsumeTimes)) };
    });
  }

  /** False when it is already. @param isOurs - else the copy is stored alone: whoever has the queue may deliver the message, too, or pass it on to who does not. */
  #acknowledge(group: string, { storedTopic, queueId, queueOffset }: StoredMessageView, isOurs: boolean): boolean {
    const { queues, sentBack, offsets } = this.#parts;
    const { queueKey } = queues.get(storedTopic, queueId);
    if (sentBack.of(group, queueKey).has(queueOffset)) return false;
    if (!isOurs) return true;
    // Another member may have passed it meanwhile: then the offset is its acknowledgement.
    if (queueOffset >= (offsets.find(group, storedTopic, queueId) ?? 0)) sentBack.add(group, queueKey, queueOffset);
    return true;
  }

  #bury(group: string, record: RecordContent): Copy["store"] {
    return () => {
      this.#parts.deadLetters.put(group, record);
      return { kind: "deadLettered" };
    };
  }

  #putOff(
    { retryPolicy }: GroupConfig,
    retry: TopicConfig,
    message: StoredMessageView,
    delayLevel: number,
    now: number,
  ): Copy["store"] {
    const { due, profile, chance, delayLevelsMs } = this.#parts;
    const queueId = chance.nextInt(usableQueueCount(retry));
    const properties = copiedProperties(message, profile);
    const reconsumeTimes = message.storedReconsumeTimes;
    const policy = delayLevel === 0 && retryPolicy !== undefined ? parseRetryPolicy(retryPolicy) : undefined;
    const level = clampDelayLevel(delayLevel > 0 ? delayLevel : retryLevel(reconsumeTimes), delayLevelsMs);
    const delayMs = policy === undefined ? delayOfLevel(level, delayLevelsMs) : retryDelay(policy, reconsumeTimes);
    const dueAt = now + delayMs;
    if (profile.keepsDelayProperties) {
      if (policy === undefined) properties.set(PROPERTY.DELAY, String(level));
      properties.set(PROPERTY.REAL_TOPIC, retry.topic).set(PROPERTY.REAL_QID, String(queueId));
    }
    const record = message.toRetriedRecord(properties);
    return () => {
      due.add(retry.topic, queueId, dueAt, record, delayMs);
      return { kind: "retried", dueAt };
    };
  }
}

/** A message and what stores its copy; everything that can be refused is done before. */
interface Copy {
  readonly message: StoredMessageView;
  readonly store: () => SendBackOutcome;
}
