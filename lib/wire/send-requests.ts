import type { GroupInfo } from "../admin/admin.js";
import type { AppendRequest, BrokerPort } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { deadLetterTopic, derivedFromGroup, isRetryTopic } from "../message/derived-names.js";
import type { MessageDelay } from "../message/message-delay.js";
import { encodeOffsetMessageId } from "../message/offset-message-id.js";
import { decodeProperties, PROPERTY } from "../message/properties.js";
import { formatRecallHandle } from "../message/recall-handle.js";
import { PERM } from "../message/system-topics.js";
import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import { decodeBatchBody } from "./batch-body.js";
import { checkSendTopic, noGroupToRetry, noTopic, queueOutOfRange } from "./broker-remarks.js";
import {
  illegal,
  illegalMessage,
  illegalTimer,
  ReceivedMessage,
  type SentMessage,
  TRANSACTION_FLAGS,
} from "./received-message.js";
import { refusalOf } from "./refusal.js";
import type { RemotingCommand, ResponseContent } from "./remoting-command.js";
import { REQUEST_CODES } from "./request-codes.js";
import { flag, type HeaderOf, int, long, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { MessageHost } from "./stored-message.js";
import type { WireConnection } from "./wire-connection.js";

export interface SendParts {
  readonly port: Pick<BrokerPort, "append" | "brokerName" | "clusterName" | "findRoute" | "hasLocks">;
  /** Where the client of this connection reaches the broker. */
  readonly hostFor: (connection: WireConnection) => MessageHost;
  /** `undefined`: there is no such group. */
  readonly findGroup: (group: string) => Promise<Pick<GroupInfo, "retryMaxTimes"> | undefined>;
  /** For messages that have none. */
  readonly newId: () => string;
  readonly chance: Chance;
  /** For how long something takes. */
  readonly steady: Clock;
}

/** RocketMQ's `maxMessageSize`. */
const MAX_MESSAGE_SIZE = 4 * 1024 * 1024;
/** How long a send waits for the lock of another writer: clients wait for 3 s. */
const STORE_WAIT_MS = 3_000;
/** Nothing lies there in the log: a message that is put off has no place yet, but every message has an id. */
const NOWHERE = Number.MAX_SAFE_INTEGER;
/** Behind every place in the log: a half message is named by its place in the half queue from here on. */
export const HALF_LOG_OFFSET: number = 2 ** 52;

const LONG_NAMES = {
  topic: text("topic"),
  defaultTopic: text("defaultTopic"),
  defaultTopicQueueNums: int("defaultTopicQueueNums"),
  queueId: int("queueId"),
  sysFlag: int("sysFlag"),
  bornTimestamp: long("bornTimestamp"),
  flag: int("flag"),
  properties: optional(text("properties")),
  reconsumeTimes: optional(int("reconsumeTimes")),
  maxReconsumeTimes: optional(int("maxReconsumeTimes")),
  isBatch: flag("batch"),
} as const;

const SHORT_NAMES = {
  topic: text("b"),
  defaultTopic: text("c"),
  defaultTopicQueueNums: int("d"),
  queueId: int("e"),
  sysFlag: int("f"),
  bornTimestamp: long("g"),
  flag: int("h"),
  properties: optional(text("i")),
  reconsumeTimes: optional(int("j")),
  maxReconsumeTimes: optional(int("l")),
  isBatch: flag("m"),
} as const;

type SendHeader = HeaderOf<typeof LONG_NAMES>;

/** Where a message goes, and how many queues its topic gets when it is created. */
type Place = Pick<AppendRequest, "topic" | "queueId" | "newTopicQueueNums">;

/** Of a group that is created with its first message. */
const USUAL_RETRIES = 16;
/** RocketMQ's dead letters say so. */
const NO_LEVEL: MessageDelay = { level: -1 };

/** In every answer, a refusal too. */
const STAMPED = [
  ["TRACE_ON", "true"],
  ["MSG_REGION", "DefaultRegion"],
] as const;

/**
 * Messages of clients, one by one and in batches.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/SendMessageProcessor.java`, `AbstractSendMessageProcessor.java`.
 */
export function sendRequests(parts: SendParts): readonly RequestRow[] {
  const requests = new SendRequests(parts);
  const answer = (
    header: SendHeader,
    { body }: RemotingCommand,
    connection: WireConnection,
  ): Promise<ResponseContent> => requests.answer(connection, header, body);
  return [
    requestRow(REQUEST_CODES.SEND_MESSAGE, LONG_NAMES, answer),
    requestRow(REQUEST_CODES.SEND_MESSAGE_V2, SHORT_NAMES, answer),
    requestRow(REQUEST_CODES.SEND_BATCH_MESSAGE, SHORT_NAMES, answer),
  ];
}

class SendRequests {
  readonly #parts: SendParts;
  readonly #limits: { readonly maxMessageSize: number; readonly clusterName: string };

  constructor(parts: SendParts) {
    this.#parts = parts;
    this.#limits = { maxMessageSize: MAX_MESSAGE_SIZE, clusterName: parts.port.clusterName };
  }

  async answer(connection: WireConnection, header: SendHeader, body: Buffer): Promise<ResponseContent> {
    try {
      checkSendTopic(header.topic);
      const grave = isRetryTopic(header.topic) ? await this.#graveOf(header) : undefined;
      const place = grave ?? this.#placeOf(header, connection);
      // What it is the header says, whatever the code.
      const messages = header.isBatch ? this.#batch(header, body) : this.#one(header, body);
      const sending = await this.#store(place, messages, header.isBatch, grave !== undefined);
      return { code: RESPONSE_CODES.SUCCESS, fields: this.#receiptOf(connection, header, sending, messages) };
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      return { ...refusal, fields: new Map(STAMPED) };
    }
  }

  #one(header: SendHeader, body: Buffer): readonly ReceivedMessage[] {
    if (body.length === 0)
      throw new MqError("ERR_MQ_MESSAGE_ILLEGAL", "the message has no body", {
        responseCode: RESPONSE_CODES.SYSTEM_ERROR,
      });
    const { flag, properties = "" } = header;
    return [this.#receive(header, { flag, properties, body })];
  }

  #batch(header: SendHeader, body: Buffer): readonly ReceivedMessage[] {
    const { topic, properties = "", sysFlag } = header;
    if (isRetryTopic(topic)) throw illegal(`batch request does not support retry group ${topic}`);
    const isDelayed = Number(decodeProperties(properties).get(PROPERTY.DELAY) ?? 0) > 0;
    if (isDelayed || (sysFlag & TRANSACTION_FLAGS) !== 0) throw illegalMessage(this.#limits);
    if (body.length > MAX_MESSAGE_SIZE) throw illegalMessage(this.#limits);
    const batched = decodeBatchBody(body);
    if (batched.length === 0) throw illegalMessage(this.#limits);
    return batched.map((message) => this.#receive(header, message));
  }

  #receive(
    { sysFlag, bornTimestamp, reconsumeTimes = 0 }: SendHeader,
    message: Pick<SentMessage, "flag" | "properties" | "body">,
  ): ReceivedMessage {
    const { flag, properties, body } = message;
    const sent = { flag, properties, body, sysFlag, bornTimestamp, reconsumeTimes };
    return new ReceivedMessage(sent, this.#limits, this.#parts.newId);
  }

  /**
   * Clients send messages to the retry topic of their group by themselves, where sending back fails or they consume in order. One that has failed too often is a dead letter, and so
   * is each of a group that consumes in order: its clients send none before, and those of 4.x do not count the last attempt.
   *
   * Source: RocketMQ 5.3.3, `broker/.../processor/SendMessageProcessor.java`, `handleRetryAndDLQ`.
   */
  async #graveOf({ topic, reconsumeTimes = 0, maxReconsumeTimes }: SendHeader): Promise<Place | undefined> {
    const group = derivedFromGroup(topic) as string;
    const grave = { topic: deadLetterTopic(group), queueId: 0, newTopicQueueNums: 1 };
    if (this.#parts.port.hasLocks(group)) return grave;
    const max = maxReconsumeTimes ?? (await this.#parts.findGroup(group))?.retryMaxTimes ?? USUAL_RETRIES;
    return reconsumeTimes <= max ? undefined : grave;
  }

  /** Which queue it goes to, and how many its topic gets when it is created. */
  #placeOf({ topic, defaultTopic, defaultTopicQueueNums, queueId }: SendHeader, connection: WireConnection): Place {
    const { port, chance } = this.#parts;
    const route = port.findRoute(topic);
    const template = route === undefined && !isRetryTopic(topic) ? port.findRoute(defaultTopic) : undefined;
    const mayCreate = isRetryTopic(topic) || (template !== undefined && (template.perm & PERM.INHERIT) !== 0);
    if (route === undefined && !mayCreate) throw noTopic(topic);
    const newTopicQueueNums = template && Math.max(1, Math.min(defaultTopicQueueNums, template.writeQueueNums));
    const writeQueueNums = route?.writeQueueNums ?? newTopicQueueNums ?? 1;
    const readQueueNums = route?.readQueueNums ?? writeQueueNums;
    if (queueId >= Math.max(writeQueueNums, readQueueNums)) {
      const perm = route?.perm ?? PERM.READ | PERM.WRITE;
      throw queueOutOfRange(queueId, { topic, readQueueNums, writeQueueNums, perm }, connection.remote);
    }
    return { topic, queueId: queueId < 0 ? chance.nextInt(Math.max(1, writeQueueNums)) : queueId, newTopicQueueNums };
  }

  async #store(
    place: Place,
    messages: readonly ReceivedMessage[],
    isBatch: boolean,
    isDead: boolean,
  ): Promise<AppendRequest> {
    const { port, steady } = this.#parts;
    const [first] = messages as readonly [ReceivedMessage];
    const isUsual = isBatch || isDead;
    const producerGroup = isUsual ? undefined : first.transactionOf;
    if (producerGroup !== undefined && hasTimer(first.delay)) throw timerOfTransaction();
    const delay = isUsual || producerGroup !== undefined ? undefined : first.delay;
    const sending: AppendRequest = {
      ...{ ...place, messages, deadline: steady.now() + STORE_WAIT_MS },
      bytes: messages.reduce((sum, { propertiesSize, bodySize }) => sum + propertiesSize + bodySize, 0),
      delay: isDead ? NO_LEVEL : delay,
      half: producerGroup === undefined ? undefined : { producerGroup },
      isRemote: true,
    };
    try {
      await new Promise<void>((resolve, reject) => {
        port.append(sending, { stored: resolve, failed: reject });
      });
    } catch (error) {
      if (isRetryTopic(place.topic) && isMqError(error, "ERR_MQ_GROUP_NOT_FOUND"))
        throw noGroupToRetry(derivedFromGroup(place.topic) as string);
      // Everything else that is illegal of a message was found before.
      throw sending.delay !== undefined && isMqError(error, "ERR_MQ_MESSAGE_ILLEGAL") ? illegalTimer() : error;
    }
    return sending;
  }

  #receiptOf(
    connection: WireConnection,
    { topic, properties = "", isBatch }: SendHeader,
    { queueId, delayed, half }: AppendRequest,
    messages: readonly ReceivedMessage[],
  ): ReadonlyMap<string, string> {
    const { hostFor, port } = this.#parts;
    const { host, port: hostPort } = hostFor(connection);
    const [{ uniqueId, queueOffset }] = messages as readonly [ReceivedMessage];
    const ids = messages.map(({ commitLogOffset, queueOffset: offset }) => {
      const unstored = half === undefined ? NOWHERE : HALF_LOG_OFFSET + offset;
      return encodeOffsetMessageId(host, hostPort, commitLogOffset < 0 ? unstored : commitLogOffset);
    });
    const timestamp = delayed?.recallAt;
    const recall =
      timestamp === undefined
        ? []
        : [
            [
              "recallHandle",
              formatRecallHandle({ topic, brokerName: port.brokerName, timestamp, messageId: uniqueId }),
            ] as const,
          ];
    // A batch has one of its own, which its messages do not have, or none.
    const transactionId = isBatch ? decodeProperties(properties).get(PROPERTY.UNIQ_KEY) : uniqueId;
    return new Map([
      ...recall,
      ["queueId", `${queueId}`],
      ...(transactionId === undefined ? [] : [["transactionId", transactionId] as const]),
      ["msgId", ids.join(",")],
      ...STAMPED,
      ["queueOffset", `${Math.max(0, queueOffset)}`],
    ]);
  }
}

function hasTimer({ delaySeconds, delayMs, deliverAt }: MessageDelay = {}): boolean {
  return delaySeconds !== undefined || delayMs !== undefined || deliverAt !== undefined;
}

/** RocketMQ takes it, and never delivers it. */
function timerOfTransaction(): MqError {
  return illegal("timer message illegal, a message of a transaction cannot have a timer");
}
