import type { AppendObserver, AppendRequest } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import type { Message } from "../message/message.js";
import { checkBatch, type PreparedMessage, prepareMessage } from "../message/message-validation.js";
import { encodeOffsetMessageId } from "../message/offset-message-id.js";
import { assertSendable } from "../message/system-topics.js";
import { describe, integerOption, refuseUnknownOptions } from "../options.js";
import type { EmbeddedClientContext } from "./client-context.js";
import { OutgoingMessage } from "./outgoing-message.js";
import { type ProducerOptions, resolveProducerOptions } from "./producer-options.js";
import { QueueChooser } from "./queue-chooser.js";
import type { MessageQueueSelector } from "./queue-selectors.js";
import type { SendReceipt } from "./send-receipt.js";

/** Options of one send. */
export interface SendOptions {
  /**
   * Where the message goes: a queue id, or a function that picks one of the topic's writable queues. Without it the queues take turns. A
   * negative number leaves the choice to the broker.
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
  /** All or none, in one queue at consecutive offsets, in one commit: messages of one topic, at most 4 MiB together. One receipt each, in order. */
  sendBatch(messages: readonly Message[], options?: SendOptions): Promise<readonly SendReceipt[]>;
  /** Throws what can be said at once; of what happens afterwards nothing is reported. */
  sendOneway(message: Message, options?: SendOptions): void;
  /** Refuses further sends and resolves once those before are settled. Every call returns the same promise. */
  close(): Promise<void>;
}

/** What a producer in the broker's process can do besides. */
export interface EmbeddedProducer extends Producer {
  /**
   * Stored when it returns; blocks. Inside a transaction of the same connection the message commits or rolls back with it and is delivered once
   * that has committed. Outside one it first stores what is pending, so that it overtakes nothing, and blocks at most `busyTimeoutMs` for
   * another writer (`ERR_MQ_SYSTEM_BUSY`). Otherwise fails as {@link Producer.send}.
   */
  sendSync(message: Message, options?: Omit<SendOptions, "signal">): SendReceipt;
  sendBatchSync(messages: readonly Message[], options?: Omit<SendOptions, "signal">): readonly SendReceipt[];
}

/** RocketMQ's clients refuse by themselves what its broker would answer with a code of its own. */
const CLIENT_ERROR = -1;

/** {@link EmbeddedProducer} on the broker of this process. */
export class LocalProducer implements EmbeddedProducer {
  readonly group: string;
  readonly #context: EmbeddedClientContext;
  readonly #sendTimeoutMs: number;
  readonly #limits: { readonly maxMessageSize: number };
  readonly #chooser: QueueChooser;
  readonly #onClosed: () => void;
  #inFlight = 0;
  #settled: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ProducerOptions, context: EmbeddedClientContext, onClosed: (producer: LocalProducer) => void) {
    const { group, sendTimeoutMs, maxMessageSize } = resolveProducerOptions(options);
    this.group = group;
    this.#context = context;
    this.#sendTimeoutMs = sendTimeoutMs;
    this.#limits = { maxMessageSize };
    this.#chooser = new QueueChooser(context);
    this.#onClosed = () => onClosed(this);
  }

  send(message: Message, options?: SendOptions): Promise<SendReceipt> {
    return new Promise((resolve, reject) => {
      const sending = this.#prepare(message, options);
      this.#append(
        sending,
        options?.signal,
        () => resolve(this.#toReceipt(sending, sending.messages[0] as OutgoingMessage)),
        reject,
      );
    });
  }

  sendBatch(messages: readonly Message[], options?: SendOptions): Promise<readonly SendReceipt[]> {
    return new Promise((resolve, reject) => {
      const sending = this.#prepareBatch(messages, options);
      this.#append(sending, options?.signal, () => resolve(this.#toReceipts(sending)), reject);
    });
  }

  sendOneway(message: Message, options?: SendOptions): void {
    const sending = this.#prepare(message, options);
    this.#append(sending, options?.signal, nothing, nothing);
  }

  sendSync(message: Message, options?: Omit<SendOptions, "signal">): SendReceipt {
    const sending = this.#prepare(message, options);
    this.#context.port.appendSync(sending);
    return this.#toReceipt(sending, sending.messages[0] as OutgoingMessage);
  }

  sendBatchSync(messages: readonly Message[], options?: Omit<SendOptions, "signal">): readonly SendReceipt[] {
    const sending = this.#prepareBatch(messages, options);
    this.#context.port.appendSync(sending);
    return this.#toReceipts(sending);
  }

  close(): Promise<void> {
    this.#closing ??= this.#whenSettled().then(this.#onClosed);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #prepare(message: Message, options: SendOptions | undefined): Sending {
    this.#assertOpen();
    const prepared = prepareMessage(message, this.#limits);
    return this.#address([prepared], message, options);
  }

  #prepareBatch(messages: readonly Message[], options: SendOptions | undefined): Sending {
    this.#assertOpen();
    const prepared = checkBatch(messages, this.#limits);
    return this.#address(prepared, messages[0] as Message, options);
  }

  /** Gives queue, ids and deadline. */
  #address(prepared: readonly PreparedMessage[], first: Message, options: SendOptions | undefined): Sending {
    const timeoutMs = options === undefined ? this.#sendTimeoutMs : this.#checkOptions(options);
    const { topic } = prepared[0] as PreparedMessage;
    assertSendable(topic, CLIENT_ERROR);
    const queueId = this.#chooser.choose(topic, first, options?.queue);
    const now = this.#context.clock.now();
    let bytes = 0;
    const messages = prepared.map((content) => {
      bytes += content.propertiesSize + content.bodySize;
      return new OutgoingMessage(content, this.#context.ids.next(), now);
    });
    return { topic, queueId, messages, bytes, deadline: now + timeoutMs };
  }

  #append(
    sending: Sending,
    signal: AbortSignal | undefined,
    stored: () => void,
    reject: (reason: unknown) => void,
  ): void {
    signal?.throwIfAborted();
    const settle = (): void => {
      signal?.removeEventListener("abort", onAbort);
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#settled?.();
    };
    const observer: AppendObserver = {
      stored: () => {
        settle();
        stored();
      },
      failed: (error) => {
        settle();
        reject(error);
      },
    };
    const takeBack = this.#context.port.append(sending, observer);
    const onAbort = (): void => {
      if (takeBack()) observer.failed(signal?.reason);
    };
    this.#inFlight += 1;
    signal?.addEventListener("abort", onAbort, { once: true });
  }

  #toReceipt({ topic, queueId }: Sending, { uniqueId, queueOffset, commitLogOffset }: OutgoingMessage): SendReceipt {
    const { brokerName, storeHost } = this.#context.port;
    return {
      status: "SEND_OK",
      messageId: uniqueId,
      offsetMessageId: encodeOffsetMessageId(storeHost.host, storeHost.port, commitLogOffset),
      topic,
      brokerName,
      queueId,
      queueOffset,
      transactionId: uniqueId,
    };
  }

  #toReceipts(sending: Sending): readonly SendReceipt[] {
    return sending.messages.map((message) => this.#toReceipt(sending, message));
  }

  #checkOptions(options: SendOptions): number {
    refuseUnknownOptions("SendOptions", options, ["queue", "timeoutMs", "signal"]);
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", `signal must be an AbortSignal, got ${describe(signal)}`);
    }
    return integerOption("timeoutMs", options.timeoutMs, { min: 1, max: 2 ** 31 - 1, fallback: this.#sendTimeoutMs });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new MqError("ERR_MQ_CLOSED", `the producer of group ${this.group} is closed`);
  }

  #whenSettled(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settled = resolve;
    });
  }
}

interface Sending extends AppendRequest {
  readonly messages: readonly OutgoingMessage[];
}

function nothing(): void {
  // A one-way send reports nothing.
}
