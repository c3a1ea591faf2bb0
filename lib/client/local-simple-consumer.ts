import type { PopRequest, ReceiptHandle } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import { type MessageView, StoredMessageView } from "../message/message-view.js";
import { describe, invalid } from "../options.js";
import { AbortListeners } from "./abort-listeners.js";
import type { ClientContext } from "./client-context.js";
import { ConsumerLifecycle } from "./consumer-lifecycle.js";
import { checkSubscription } from "./consumer-options.js";
import { nameMember } from "./group-membership.js";
import { PopMembership } from "./pop-membership.js";
import type { CloseOptions } from "./push-consumer.js";
import type { SimpleConsumer } from "./simple-consumer.js";
import {
  checkInvisibleDuration,
  type ReceiveOptions,
  type ResolvedReceiveOptions,
  type ResolvedSimpleConsumerOptions,
  resolveReceiveOptions,
  resolveSimpleConsumerOptions,
  type SimpleConsumerOptions,
} from "./simple-consumer-options.js";

const EVERY_MESSAGE = "*";

/** Ends a call of `receive` that waits: with no message, or with an error. No effect when it is too late. */
type EndReceive = (error?: MqError) => void;

/** {@link SimpleConsumer} on the broker of this process. */
export class LocalSimpleConsumer implements SimpleConsumer {
  readonly clientId: string;
  readonly #options: ResolvedSimpleConsumerOptions;
  readonly #context: ClientContext;
  readonly #lifecycle: ConsumerLifecycle;
  readonly #membership: PopMembership;
  readonly #aborts = new AbortListeners();
  readonly #receiving = new Set<EndReceive>();
  /** Acknowledgements on their way. */
  readonly #pending = new Set<Promise<unknown>>();
  /** Why it can go on no longer. */
  #failure: MqError | undefined;

  constructor(
    options: SimpleConsumerOptions,
    context: ClientContext,
    onClosed: (consumer: LocalSimpleConsumer) => void,
  ) {
    const resolved = resolveSimpleConsumerOptions(options);
    const { group, subscriptions, instanceName, strictSubscriptions } = resolved;
    const { port, clock } = context;
    const { clientId } = nameMember(context, group, "clustering", instanceName);
    this.clientId = clientId;
    this.#options = resolved;
    this.#context = context;
    this.#membership = new PopMembership({
      ...{ port, group, clientId, subscriptions, strictSubscriptions },
      brokerFailed: (error) => this.#brokerFailed(error),
    });
    this.#lifecycle = new ConsumerLifecycle(`consumer ${clientId} of group ${group}`, clock, {
      join: () => this.#membership.join(),
      started: () => undefined,
      leave: () => this.#membership.leave(),
      end: () => this.#end(),
      closed: () => onClosed(this),
    });
  }

  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  subscribe(topic: string, filter: string = EVERY_MESSAGE): void {
    this.#lifecycle.assertOpen();
    if (this.#membership.subscribe(topic, checkSubscription(topic, filter))) this.#tell();
  }

  unsubscribe(topic: string): void {
    this.#lifecycle.assertOpen();
    if (this.#membership.unsubscribe(topic)) this.#tell();
  }

  async receive(options: ReceiveOptions): Promise<readonly MessageView[]> {
    this.#assertUsable();
    const resolved = resolveReceiveOptions(options, this.#options.awaitMs);
    resolved.signal?.throwIfAborted();
    const topics = this.#membership.takeTurn();
    if (topics.length === 0)
      throw invalid(`consumer ${this.clientId} subscribes to no topic: there is nothing to receive`);
    const { group, startAt } = this.#options;
    const { maxMessages, invisibleDurationMs: invisibleMs, awaitMs, signal } = resolved;
    const attemptId = this.#context.ids.next();
    const request = { group, topics, maxMessages, invisibleMs, awaitMs, startAt, attemptId };
    const messages = await this.#receive(request, signal);
    this.#tellDelivered(messages);
    return messages;
  }

  async ack(message: MessageView): Promise<void> {
    this.#assertUsable();
    const { stored, handle } = this.#inHand(message);
    const { group } = this.#options;
    await this.#track(this.#context.port.acknowledge({ group, topic: stored.storedTopic, handle }));
    const { events, clock } = this.#context;
    if (!events.isHeard("message:consumed")) return;
    const { messageId, topic } = stored;
    const { clientId } = this;
    // The clock may have been set back since.
    const costMs = Math.max(0, clock.now() - handle.popTime);
    events.emit("message:consumed", { messageId, topic, group, clientId, costMs });
  }

  async changeInvisibleDuration(message: MessageView, durationMs: number): Promise<void> {
    this.#assertUsable();
    const invisibleMs = checkInvisibleDuration(durationMs);
    const { stored, handle } = this.#inHand(message);
    const { group } = this.#options;
    const request = { group, topic: stored.storedTopic, handle };
    stored.changeReceipt(await this.#track(this.#context.port.changeInvisible(request, invisibleMs)));
  }

  /** From the call on nothing is received: nobody could acknowledge it. */
  close(options?: CloseOptions): Promise<void> {
    const closing = this.#lifecycle.close(options);
    this.#endReceiving();
    return closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tell(): void {
    if (this.#lifecycle.hasBegun) this.#membership.tell();
  }

  #assertUsable(): void {
    this.#lifecycle.assertStarted();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #receive(request: PopRequest, signal: ResolvedReceiveOptions["signal"]): Promise<readonly StoredMessageView[]> {
    return new Promise((resolve, reject) => {
      const ended = (): void => {
        this.#receiving.delete(end);
        stopListening?.();
      };
      const pop = this.#context.port.pop(request, {
        popped: (messages) => {
          ended();
          resolve(messages);
        },
        failed: (error) => {
          ended();
          reject(error);
        },
      });
      const end: EndReceive = (error) => {
        if (!pop.withdraw()) return;
        ended();
        if (error === undefined) resolve([]);
        else reject(error);
      };
      const abort = (): void => {
        if (!pop.withdraw()) return;
        ended();
        reject(signal?.reason);
      };
      const stopListening = signal && this.#aborts.add(signal, abort);
      this.#receiving.add(end);
    });
  }

  #tellDelivered(messages: readonly StoredMessageView[]): void {
    const { events } = this.#context;
    if (!events.isHeard("message:delivered")) return;
    const { group } = this.#options;
    for (const { messageId, topic, deliveryAttempt } of messages)
      events.emit("message:delivered", { messageId, topic, group, clientId: this.clientId, deliveryAttempt });
  }

  /** As far as the message itself says. */
  #inHand(message: MessageView): { readonly stored: StoredMessageView; readonly handle: ReceiptHandle } {
    if (typeof message !== "object" || message === null)
      throw invalid(`message must be one that was received, got ${describe(message)}`);
    const handle = StoredMessageView.is(message) ? message.receiptHandle : undefined;
    if (StoredMessageView.is(message) && handle !== undefined) return { stored: message, handle };
    throw new MqError("ERR_MQ_RECEIPT_HANDLE", "the message was not received by a simple consumer");
  }

  async #track<T>(pending: Promise<T>): Promise<T> {
    this.#pending.add(pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(pending);
    }
  }

  async #end(): Promise<void> {
    await Promise.allSettled([...this.#pending]);
    this.#membership.leave();
    await this.#context.port.persistOffsets();
  }

  #endReceiving(error?: MqError): void {
    for (const end of [...this.#receiving]) end(error);
  }

  #brokerFailed(error: MqError): void {
    const { logger } = this.#context;
    logger.error(`consumer ${this.clientId} of group ${this.#options.group} stopped: ${error.message}`);
    this.#failure = error;
    this.#endReceiving(error);
    this.#lifecycle.letGo();
  }
}
