import type { AppendRequest, HalfRequest } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { isDeadLetterTopic, isRetryTopic } from "../message/derived-names.js";
import type { Message } from "../message/message.js";
import { checkBatch, type MessageLimits, type PreparedMessage, prepareMessage } from "../message/message-validation.js";
import { checkTopic } from "../message/names.js";
import { createOffsetMessageIds } from "../message/offset-message-id.js";
import { formatRecallHandle, parseRecallHandle } from "../message/recall-handle.js";
import { assertSendable } from "../message/system-topics.js";
import { describe, integerOption, refuseUnknownOptions, signalOption } from "../options.js";
import { AbortListeners } from "./abort-listeners.js";
import type { EmbeddedClientContext } from "./client-context.js";
import { OutgoingMessage } from "./outgoing-message.js";
import { type ProducerOptions, resolveProducerOptions } from "./producer-options.js";
import { QueueChooser } from "./queue-chooser.js";
import type { MessageQueueSelector } from "./queue-selectors.js";
import { SendInFlight } from "./send-in-flight.js";
import type { SendReceipt } from "./send-receipt.js";

/** Options of one send. */
export interface SendOptions {
  /**
   * Where the message goes: a queue id, or a function that picks one of the topic's writable queues. Without it the queues take turns, and messages
   * with a `messageGroup` go to their group's. A negative number leaves the choice to the broker.
   */
  readonly queue?: number | MessageQueueSelector | undefined;
  /** In place of the producer's `sendTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Takes the message back while it is pending and rejects with `signal.reason`; once it is being stored the abort has no effect. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends messages. Sends of one producer to one queue are stored in the order of the calls; a lone `await send()` waits for no company, and
 * sends of one turn of the event loop share a commit.
 *
 * Source: RocketMQ, `client/.../producer/DefaultMQProducer.java`, `impl/producer/DefaultMQProducerImpl.java`.
 */
export interface Producer extends AsyncDisposable {
  readonly group: string;
  /**
   * Stores one message; resolves once it is as durable as the broker's `synchronous` says.
   *
   * @param message - a `Uint8Array` body is read when the message is stored: do not change it until this settles.
   * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` (-1) for a malformed message or option, `ERR_MQ_MESSAGE_ILLEGAL` (13) for a body that is
   * empty or too large or properties that are too large, `ERR_MQ_TOPIC_NOT_FOUND` (17) when the topic is unknown and not created automatically,
   * `ERR_MQ_NO_PERMISSION` for a topic that takes no messages, `ERR_MQ_OFFSET` (29) for a queue that the topic does not have,
   * `ERR_MQ_TOO_MANY_REQUESTS` (215) when 10,000 writes or 64 MiB are pending, `ERR_MQ_SYSTEM_BUSY` (2) when another writer kept the store locked
   * until the time-out, `ERR_MQ_TIMEOUT` when the connection's owner did, `ERR_MQ_SERVICE_NOT_AVAILABLE` (14) when the disk is full,
   * `ERR_MQ_IN_TRANSACTION` inside a transaction of the connection, `ERR_MQ_OUTCOME_UNKNOWN` when the commit failed while it was synced,
   * `ERR_MQ_CLOSED`. But for the outcome that is unknown, nothing of a failed send is stored.
   */
  send(message: Message, options?: SendOptions): Promise<SendReceipt>;
  /**
   * All or none, in one queue at consecutive offsets, in one commit: messages of one topic, and of one `messageGroup` or none, at most 4 MiB together.
   * One receipt each, in order. A batch of a group goes to the group's queue, where RocketMQ's proxy takes turns for requests of several messages,
   * which ends their order.
   */
  sendBatch(messages: readonly Message[], options?: SendOptions): Promise<readonly SendReceipt[]>;
  /**
   * Calls a message back that was put off with `delayMs` or `deliverAt`: nobody gets it. Resolves, once that is durable, with its `messageId`; as in RocketMQ also when there is no
   * such message, or no longer.
   *
   * Source: RocketMQ 5.3.3, `broker/.../processor/RecallMessageProcessor.java`.
   *
   * @param topic - the one that it was sent to.
   * @param recallHandle - of its receipt.
   * @throws {@link MqError} `ERR_MQ_RECALL` (604) when its time has come, or the handle is one of another topic or broker;
   * `ERR_MQ_INVALID_ARGUMENT` (-1) for what is no handle, and for retry and dead-letter topics; `ERR_MQ_TOPIC_NOT_FOUND` (17); `ERR_MQ_NO_PERMISSION` (16) where
   * `recallMessageEnable` is false; as `send` while the store is locked, full, or gone.
   */
  recall(topic: string, recallHandle: string): Promise<string>;
  /** Throws what can be said at once; of what happens afterwards nothing is reported. */
  sendOneway(message: Message, options?: SendOptions): void;
  /** Refuses further sends and resolves once those before are settled. Every call returns the same promise. */
  close(): Promise<void>;
}

/** What a producer in the broker's process can do besides. */
export interface EmbeddedProducer extends Producer {
  /**
   * Stored when it returns; blocks. Inside a transaction of the same connection the message commits or rolls back with it and is delivered once
   * that has committed; earlier sends that are still pending wait for the end of a transaction that was begun by hand and come behind it, while
   * `Broker.transaction` stores them first. Outside one it first stores what is pending, so that it overtakes nothing, and blocks at most `busyTimeoutMs` for
   * another writer (`ERR_MQ_SYSTEM_BUSY`). Otherwise fails as {@link Producer.send}.
   */
  sendSync(message: Message, options?: Omit<SendOptions, "signal">): SendReceipt;
  sendBatchSync(messages: readonly Message[], options?: Omit<SendOptions, "signal">): readonly SendReceipt[];
}

/** RocketMQ's clients refuse by themselves what its broker would answer with a code of its own. */
const CLIENT_ERROR = -1;
const UNKNOWN_QUEUE = -1;

/** {@link EmbeddedProducer} on the broker of this process. */
export class LocalProducer implements EmbeddedProducer {
  readonly group: string;
  readonly #context: EmbeddedClientContext;
  readonly #sendTimeoutMs: number;
  readonly #limits: MessageLimits;
  readonly #chooser: QueueChooser;
  readonly #toOffsetMessageId: (commitLogOffset: number) => string;
  readonly #onClosed: () => void;
  readonly #aborts = new AbortListeners();
  #inFlight = 0;
  #whenSettled: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ProducerOptions, context: EmbeddedClientContext, onClosed: (producer: LocalProducer) => void) {
    const { group, sendTimeoutMs, maxMessageSize } = resolveProducerOptions(options);
    const { storeHost, clusterName } = context.port;
    this.group = group;
    this.#context = context;
    this.#sendTimeoutMs = sendTimeoutMs;
    this.#limits = { maxMessageSize, clusterName };
    this.#chooser = new QueueChooser(context);
    this.#toOffsetMessageId = createOffsetMessageIds(storeHost.host, storeHost.port);
    this.#onClosed = () => onClosed(this);
  }

  send(message: Message, options?: SendOptions): Promise<SendReceipt> {
    return new Promise((resolve, reject) => {
      this.#context.port.assertRoom();
      const sending = this.#address([this.#prepare(message)], message, options);
      const stored = (): void => resolve(this.#toReceipt(sending, sending.messages[0] as OutgoingMessage));
      this.#append(sending, stored, reject, options?.signal);
    });
  }

  sendBatch(messages: readonly Message[], options?: SendOptions): Promise<readonly SendReceipt[]> {
    return new Promise((resolve, reject) => {
      const sending = this.#address(this.#prepareBatch(messages), messages[0] as Message, options);
      this.#append(sending, () => resolve(this.#toReceipts(sending)), reject, options?.signal);
    });
  }

  /** For what sends in transactions: stores a half message. @param added - to its properties, in RocketMQ's encoding, all ASCII. */
  sendHalf(message: Message, added: string, options?: SendOptions): Promise<SentHalf> {
    return new Promise((resolve, reject) => {
      this.#context.port.assertRoom();
      const prepared = this.#prepare(message, added);
      if (prepared.delay !== undefined && (prepared.delay.level ?? 0) <= 0)
        throw new MqError(
          "ERR_MQ_INVALID_ARGUMENT",
          "a message of a transaction cannot have delayMs or deliverAt: RocketMQ loses it",
        );
      if (prepared.delay !== undefined)
        this.#context.logger.warn(
          `delayLevel of a message of a transaction has no effect, got ${prepared.delay.level}`,
        );
      const request: HalfRequest = { producerGroup: this.group, record: undefined };
      const sending = this.#address([prepared], message, options, request);
      const sent = sending.messages[0] as OutgoingMessage;
      const stored = (): void => resolve({ receipt: this.#toReceipt(sending, sent), record: request.record as Buffer });
      this.#append(sending, stored, reject, options?.signal);
    });
  }

  sendOneway(message: Message, options?: SendOptions): void {
    const sending = this.#address([this.#prepare(message)], message, options);
    this.#append(sending, nothing, nothing, options?.signal);
  }

  async recall(topic: string, recallHandle: string): Promise<string> {
    this.#assertOpen();
    checkTopic(topic);
    if (isRetryTopic(topic) || isDeadLetterTopic(topic))
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `messages of retry and dead-letter topics cannot be recalled, got ${topic}`,
      );
    const handle = typeof recallHandle === "string" ? parseRecallHandle(recallHandle) : undefined;
    if (handle === undefined)
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `recallHandle must be one of a receipt, got ${describe(recallHandle)}`,
      );
    await this.#context.port.recall(topic, handle);
    return handle.messageId;
  }

  sendSync(message: Message, options?: Omit<SendOptions, "signal">): SendReceipt {
    const sending = this.#address([this.#prepare(message)], message, options);
    this.#context.port.appendSync(sending);
    return this.#toReceipt(sending, sending.messages[0] as OutgoingMessage);
  }

  sendBatchSync(messages: readonly Message[], options?: Omit<SendOptions, "signal">): readonly SendReceipt[] {
    const sending = this.#address(this.#prepareBatch(messages), messages[0] as Message, options);
    this.#context.port.appendSync(sending);
    return this.#toReceipts(sending);
  }

  close(): Promise<void> {
    this.#closing ??= this.#settled().then(this.#onClosed);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #prepare(message: Message, added?: string): PreparedMessage {
    this.#assertOpen();
    return prepareMessage(message, this.#limits, added);
  }

  #prepareBatch(messages: readonly Message[]): readonly PreparedMessage[] {
    this.#assertOpen();
    return checkBatch(messages, this.#limits);
  }

  /** Gives queue, ids and deadline. */
  #address(
    prepared: readonly PreparedMessage[],
    first: Message,
    options: SendOptions | undefined,
    half?: HalfRequest,
  ): Sending {
    const timeoutMs = options === undefined ? this.#sendTimeoutMs : this.#checkOptions(options);
    const preparedFirst = prepared[0] as PreparedMessage;
    const { topic, delay } = preparedFirst;
    assertSendable(topic, CLIENT_ERROR);
    const queueId = this.#tryToChoose(preparedFirst, first, options?.queue);
    const chooseQueue = queueId === undefined ? this.#choosingLate(preparedFirst, first, options?.queue) : undefined;
    const { clock, steady, ids } = this.#context;
    const now = clock.now();
    const messages = new Array<OutgoingMessage>(prepared.length);
    let bytes = 0;
    for (let index = 0; index < prepared.length; index += 1) {
      const content = prepared[index] as PreparedMessage;
      messages[index] = new OutgoingMessage(content, ids.next(now), now);
      bytes += content.propertiesSize + content.bodySize;
    }
    const deadline = steady.fromWall(now) + timeoutMs;
    return {
      topic,
      queueId: queueId ?? UNKNOWN_QUEUE,
      chooseQueue,
      messages,
      bytes,
      deadline,
      // Of a half message it has no effect.
      delay: half === undefined ? delay : undefined,
      delayed: undefined,
      half,
    };
  }

  /** `undefined`: another connection keeps readers out, so that the topic's queues are not known. */
  #tryToChoose(prepared: PreparedMessage, first: Message, wish: SendOptions["queue"]): number | undefined {
    try {
      return this.#chooser.choose(prepared, first, wish);
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) throw error;
      return undefined;
    }
  }

  /** When the message is stored. */
  #choosingLate(prepared: PreparedMessage, first: Message, wish: SendOptions["queue"]): () => number {
    return () => this.#chooser.choose(prepared, first, wish);
  }

  #append(
    sending: Sending,
    stored: () => void,
    failed: (reason: unknown) => void,
    signal: AbortSignal | undefined,
  ): void {
    signal?.throwIfAborted();
    const inFlight = new SendInFlight(stored, failed, this.#onEnded);
    const write = this.#context.port.append(sending, inFlight);
    this.#inFlight += 1;
    if (signal !== undefined) inFlight.withdrawOn(signal, write, this.#aborts);
  }

  readonly #onEnded = (): void => {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#whenSettled?.();
  };

  #toReceipts(sending: Sending): readonly SendReceipt[] {
    return sending.messages.map((message) => this.#toReceipt(sending, message));
  }

  #toReceipt({ topic, queueId, delayed }: Sending, message: OutgoingMessage): SendReceipt {
    const { uniqueId, queueOffset, commitLogOffset } = message;
    const { brokerName } = this.#context.port;
    const receipt = {
      status: "SEND_OK",
      messageId: uniqueId,
      offsetMessageId: commitLogOffset < 0 ? "" : this.#toOffsetMessageId(commitLogOffset),
      topic,
      brokerName,
      queueId,
      queueOffset,
      transactionId: uniqueId,
    } as const;
    const recallAt = delayed?.recallAt;
    if (recallAt === undefined) return receipt;
    return {
      ...receipt,
      recallHandle: formatRecallHandle({ topic, brokerName, timestamp: recallAt, messageId: uniqueId }),
    };
  }

  #checkOptions(options: SendOptions): number {
    refuseUnknownOptions("SendOptions", options, ["queue", "timeoutMs", "signal"]);
    signalOption(options.signal);
    return integerOption("timeoutMs", options.timeoutMs, { min: 1, max: 2 ** 31 - 1, fallback: this.#sendTimeoutMs });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new MqError("ERR_MQ_CLOSED", `the producer of group ${this.group} is closed`);
  }

  #settled(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenSettled = resolve;
    });
  }
}

/** A half message that is stored. */
export interface SentHalf {
  readonly receipt: SendReceipt;
  /** In the form of the log. */
  readonly record: Buffer;
}

interface Sending extends AppendRequest {
  readonly messages: readonly OutgoingMessage[];
}

function nothing(): void {
  // A one-way send reports nothing.
}
