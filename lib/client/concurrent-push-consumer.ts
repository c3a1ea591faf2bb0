import type { GroupMember } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import { retryTopic } from "../message/derived-names.js";
import type { MessageQueue } from "../message/message-queue.js";
import { formatMessageQueue } from "../message/message-queue.js";
import { integerOption, refuseUnknownOptions } from "../options.js";
import { type ClockTimer, systemClock } from "../time/clock.js";
import { holdProcess, type ProcessHold } from "../time/hold-process.js";
import { allocateAll } from "./allocate-message-queue.js";
import { AssignedQueues } from "./assigned-queues.js";
import type { ClientContext } from "./client-context.js";
import { ConsumeService } from "./consume-service.js";
import { GroupOffsetStore, InstanceOffsetStore } from "./consumer-offset-store.js";
import { excuseRunningDelivery } from "./delivery.js";
import { type Acknowledge, DropFailedMessages, type FailedMessages } from "./failed-messages.js";
import type { CloseOptions, PushConsumer } from "./push-consumer.js";
import {
  checkSubscription,
  type PushConsumerOptions,
  type ResolvedPushConsumerOptions,
  resolvePushConsumerOptions,
} from "./push-consumer-options.js";
import { Rebalance } from "./rebalance.js";
import { SendBackService } from "./send-back-service.js";

/** Source: RocketMQ, `RebalanceService.java`, `minInterval`. */
const FAILED_REBALANCE_MS = 1_000;
const EVERY_MESSAGE = "*";
/** Broadcasting consumers have it unless they say otherwise, so that they find their progress again. */
const BROADCASTING_INSTANCE = "DEFAULT";

/** {@link PushConsumer} with a concurrent listener. */
export class ConcurrentPushConsumer implements PushConsumer {
  readonly clientId: string;
  readonly #options: ResolvedPushConsumerOptions;
  readonly #context: ClientContext;
  readonly #failures: FailedMessages;
  readonly #service: ConsumeService;
  readonly #queues: AssignedQueues;
  readonly #rebalance: Rebalance;
  readonly #member: GroupMember;
  readonly #onClosed: () => void;
  readonly #subscriptions: Map<string, string>;
  #state: "created" | "started" | "closing" | "closed" = "created";
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hold: ProcessHold | undefined;
  #rebalanceTimer: ClockTimer | undefined;
  #toldAssignment = "";

  constructor(
    options: PushConsumerOptions,
    context: ClientContext,
    onClosed: (consumer: ConcurrentPushConsumer) => void,
  ) {
    const resolved = resolvePushConsumerOptions(options);
    const { group, messageModel, consumeFromWhere } = resolved;
    const isClustering = messageModel === "clustering";
    const { port } = context;
    this.#options = resolved;
    this.#context = context;
    this.#onClosed = () => onClosed(this);
    this.#subscriptions = new Map(resolved.subscriptions);
    const name = resolved.instanceName ?? (isClustering ? context.ids.next() : BROADCASTING_INSTANCE);
    this.clientId = `${context.address}@${name}`;
    const instance = isClustering ? undefined : { group, instanceName: name };

    const acknowledge: Acknowledge = (processQueue, messages) => this.#queues.acknowledge(processQueue, messages);
    this.#failures = isClustering
      ? new SendBackService({
          ...context,
          group,
          maxReconsumeTimes: resolved.maxReconsumeTimes,
          acknowledge,
          resubmit: (processQueue, messages) => this.#service.submit(processQueue, messages),
        })
      : new DropFailedMessages(group, context.logger, acknowledge);
    this.#service = new ConsumeService({
      ...context,
      group,
      clientId: this.clientId,
      listener: resolved.listener,
      batchListener: resolved.batchListener,
      concurrency: resolved.consumeConcurrency,
      batchMaxSize: resolved.consumeMessageBatchMaxSize,
      timeoutMs: resolved.consumeTimeoutMs,
      failures: this.#failures,
      catchUp: (then) => port.catchUp(then),
      onDelivered: (processQueue) => this.#queues.delivered(processQueue),
      acknowledge,
    });
    this.#queues = new AssignedQueues({
      ...context,
      consumer: resolved,
      offsets:
        instance === undefined
          ? new GroupOffsetStore(port, group, consumeFromWhere)
          : new InstanceOffsetStore(port, instance, consumeFromWhere),
      expressionOf: (topic) => this.#allSubscriptions().get(topic) ?? EVERY_MESSAGE,
      submit: (processQueue, messages) => this.#service.submit(processQueue, messages),
      forget: (processQueue) => this.#failures.forget(processQueue),
    });
    this.#rebalance = new Rebalance(group, this.clientId, isClustering ? resolved.strategy : allocateAll, context);
    const subscriptions = (): ReadonlyMap<string, string> => this.#allSubscriptions();
    const wantedQueues = (): Iterable<MessageQueue> => this.#rebalance.wanted;
    this.#member = {
      clientId: this.clientId,
      group,
      messageModel,
      instance,
      get subscriptions() {
        return subscriptions();
      },
      get wantedQueues() {
        return wantedQueues();
      },
      dropLostQueues: () => this.#dropLostQueues(),
      takeNewQueues: () => this.#takeNewQueues(),
      brokerFailed: (error) => this.#brokerFailed(error),
    };
  }

  get assignment(): readonly MessageQueue[] {
    return this.#queues.ofTopics;
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    if (this.#starting !== undefined) {
      const text = `consumer ${this.clientId} of group ${this.#options.group} was started before`;
      return Promise.reject(new MqError("ERR_MQ_ALREADY_CREATED", text));
    }
    this.#starting = this.#start();
    return this.#starting;
  }

  suspend(): void {
    this.#assertNotClosing();
    this.#queues.pause();
  }

  resume(): void {
    this.#assertNotClosing();
    this.#queues.resume();
  }

  subscribe(topic: string, filter: string = EVERY_MESSAGE): void {
    this.#assertNotClosing();
    const expression = checkSubscription(topic, filter);
    if (this.#subscriptions.get(topic) === expression) return;
    this.#subscriptions.set(topic, expression);
    this.#queues.drop((queue) => queue.topic === topic);
    if (this.#starting !== undefined) this.#context.port.heartbeat(this.#member);
  }

  unsubscribe(topic: string): void {
    this.#assertNotClosing();
    if (!this.#subscriptions.delete(topic)) return;
    if (this.#starting !== undefined) this.#context.port.heartbeat(this.#member);
  }

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      refuseUnknownOptions("CloseOptions", options, ["graceMs"]);
      const graceMs = integerOption("graceMs", options.graceMs, { min: 0, max: 2 ** 31 - 1, fallback: 10_000 });
      this.#closing = this.#close(graceMs);
    }
    excuseRunningDelivery(this.#closing);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    this.#hold = holdProcess();
    try {
      await this.#context.port.registerConsumer(this.#member);
      if (this.#state === "created") this.#state = "started";
      else this.#context.port.unregisterConsumer(this.#member);
      if (this.#closing !== undefined) throw this.#closedError();
    } catch (error) {
      if (this.#closing === undefined) this.#hold.release();
      this.#starting = undefined;
      throw error;
    }
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#state === "created" && this.#starting === undefined) return this.#closed();
    // What was stored before this call and is on its way here is still delivered.
    await new Promise<void>((resolve) => this.#context.clock.turn(resolve));
    this.#state = "closing";
    this.#queues.pause();
    this.#service.stop();
    await this.#waitForListeners(graceMs);
    this.#queues.drop(() => true);
    this.#tellAssignment();
    this.#rebalanceTimer?.cancel();
    this.#context.port.unregisterConsumer(this.#member);
    await this.#queues.ended();
    try {
      await this.#context.port.persistOffsets();
    } finally {
      this.#closed();
    }
  }

  #closed(): void {
    this.#rebalanceTimer?.cancel();
    this.#service.close();
    this.#state = "closed";
    this.#hold?.release();
    this.#onClosed();
  }

  /** In real time, as closing must end under a virtual clock too. */
  async #waitForListeners(graceMs: number): Promise<void> {
    let isLate = false;
    const timer = { current: undefined as { cancel(): void } | undefined };
    const late = new Promise<void>((resolve) => {
      timer.current = systemClock.at(systemClock.now() + graceMs, () => {
        isLate = true;
        resolve();
      });
    });
    const ended = this.#service.idle().then(() => this.#failures.idle());
    await Promise.race([ended, late]);
    timer.current?.cancel();
    if (isLate) this.#service.abort(this.#closedError());
  }

  /** Also while it closes: what goes to another member meanwhile is that one's. */
  #dropLostQueues(): void {
    if (this.#state === "closed") return;
    const wanted = this.#rebalance.compute([...this.#allSubscriptions().keys()], this.#queues.all);
    this.#queues.drop((queue) => !wanted.has(queue) || !this.#mayHave(queue));
  }

  #takeNewQueues(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    for (const queue of this.#rebalance.wanted)
      if (this.#mayHave(queue)) this.#queues.take(queue, this.#rebalance.isNew(queue));
    if (this.#rebalance.hasFailed) this.#rebalanceLater();
    this.#tellAssignment();
  }

  /** A broadcasting consumer shares with nobody. */
  #mayHave(queue: MessageQueue): boolean {
    const { group, messageModel } = this.#options;
    return messageModel === "broadcasting" || this.#context.port.holdsQueue(group, queue);
  }

  #tellAssignment(): void {
    const { assignment, clientId } = this;
    const told = assignment.map(formatMessageQueue).join();
    if (told === this.#toldAssignment) return;
    this.#toldAssignment = told;
    this.#context.events.emit("group:rebalanced", { group: this.#options.group, clientId, assignment });
  }

  /** What failed, in a strategy of the user's for example, may succeed the next time. */
  #rebalanceLater(): void {
    this.#rebalanceTimer ??= this.#context.clock.at(this.#context.clock.now() + FAILED_REBALANCE_MS, () => {
      this.#rebalanceTimer = undefined;
      this.#context.port.heartbeat(this.#member);
    });
  }

  /** In a clustering group with that of its failed messages. */
  #allSubscriptions(): ReadonlyMap<string, string> {
    const { group, messageModel } = this.#options;
    const own = new Map(this.#subscriptions);
    return messageModel === "clustering" ? own.set(retryTopic(group), EVERY_MESSAGE) : own;
  }

  #brokerFailed(error: MqError): void {
    this.#context.logger.error(`consumer ${this.clientId} of group ${this.#options.group} stopped: ${error.message}`);
    this.#queues.drop(() => true);
    this.#tellAssignment();
    this.#service.close();
    this.#hold?.release();
  }

  #assertNotClosing(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  #closedError(): MqError {
    return new MqError("ERR_MQ_CLOSED", `consumer ${this.clientId} of group ${this.#options.group} is closed`);
  }
}
