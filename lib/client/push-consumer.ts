import type { GroupMember } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import { compareMessageQueues, type MessageQueue } from "../message/message-queue.js";
import { integerOption, refuseUnknownOptions } from "../options.js";
import { type ClockTimer, systemClock } from "../time/clock.js";
import { holdProcess, type ProcessHold } from "../time/hold-process.js";
import type { ClientContext } from "./client-context.js";
import { ConsumeService } from "./consume-service.js";
import { excuseRunningDelivery } from "./delivery.js";
import type { ProcessQueue } from "./process-queue.js";
import { PullLoop } from "./pull-loop.js";
import { PullTurns } from "./pull-turns.js";
import {
  checkSubscription,
  type PushConsumerOptions,
  type ResolvedPushConsumerOptions,
  resolvePushConsumerOptions,
} from "./push-consumer-options.js";
import { Rebalance } from "./rebalance.js";

/** Source: RocketMQ, `RebalanceService.java`, `minInterval`. */
const FAILED_REBALANCE_MS = 1_000;

/**
 * How clients and brokers close: they stop taking new work, wait for what runs, abort the listeners' signals after `graceMs` and ignore what
 * those return later. What was not acknowledged is delivered again, and the interrupted attempt is not counted.
 */
export interface CloseOptions {
  /** Real milliseconds, 0 to 2,147,483,647. From inside a listener close does not wait for that one. @defaultValue 10_000 */
  readonly graceMs?: number | undefined;
}

/**
 * Delivers the messages of its share of the queues to its listener, at least once each, in no order.
 *
 * ```
 * created ──start()──▶ started ──close()──▶ closing ──▶ closed
 *     └───────────────────close()───────────────────────▶
 * ```
 * Source: RocketMQ, `client/.../consumer/DefaultMQPushConsumer.java`.
 */
export interface PushConsumer extends AsyncDisposable {
  readonly clientId: string;
  /** The message queues that are delivered here now, sorted. */
  readonly assignment: readonly MessageQueue[];
  /**
   * Joins the group; resolves once the group exists and the queues are shared anew. Keeps the process alive until closed. Every call returns the
   * same promise, until one rejects.
   *
   * @throws {@link MqError} `ERR_MQ_GROUP_NOT_FOUND` (26) for an unknown group where `autoCreateGroup` is off, `ERR_MQ_ALREADY_CREATED` when the
   * group has a member of this client id, `ERR_MQ_CLOSED` after, and when it is overtaken by, {@link PushConsumer.close}.
   */
  start(): Promise<void>;
  /** Pulls nothing more until {@link PushConsumer.resume}; what was pulled is still delivered. */
  suspend(): void;
  resume(): void;
  /** Adds a topic or replaces its tag expression. An unknown topic is consumed as soon as it exists. @param filter - default: every message */
  subscribe(topic: string, filter?: string): void;
  unsubscribe(topic: string): void;
  /** Leaves the group; others take over its queues at once. Every call returns the same promise. */
  close(options?: CloseOptions): Promise<void>;
}

/** {@link PushConsumer} of a clustering group with a concurrent listener. */
export class ConcurrentPushConsumer implements PushConsumer {
  readonly clientId: string;
  readonly #options: ResolvedPushConsumerOptions;
  readonly #context: ClientContext;
  readonly #service: ConsumeService;
  readonly #rebalance: Rebalance;
  readonly #member: GroupMember;
  readonly #onClosed: () => void;
  readonly #subscriptions: Map<string, string>;
  readonly #loops = new Map<MessageQueue, PullLoop>();
  readonly #runs = new Set<Promise<void>>();
  readonly #pullTurns: PullTurns;
  #state: "created" | "started" | "closing" | "closed" = "created";
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hold: ProcessHold | undefined;
  #isSuspended = false;
  #rebalanceTimer: ClockTimer | undefined;

  constructor(
    options: PushConsumerOptions,
    context: ClientContext,
    onClosed: (consumer: ConcurrentPushConsumer) => void,
  ) {
    const resolved = resolvePushConsumerOptions(options);
    this.#options = resolved;
    this.#context = context;
    this.#pullTurns = new PullTurns(context.clock);
    this.#onClosed = () => onClosed(this);
    this.#subscriptions = new Map(resolved.subscriptions);
    this.clientId = `${context.address}@${resolved.instanceName ?? context.ids.next()}`;
    this.#service = new ConsumeService({
      group: resolved.group,
      clientId: this.clientId,
      listener: resolved.listener,
      batchListener: resolved.batchListener,
      concurrency: resolved.consumeConcurrency,
      batchMaxSize: resolved.consumeMessageBatchMaxSize,
      clock: context.clock,
      logger: context.logger,
      onDelivered: ({ messageQueue }) => this.#loops.get(messageQueue)?.roomMade(),
      onAcknowledged: (processQueue) => {
        this.#reportOffset(processQueue);
        this.#loops.get(processQueue.messageQueue)?.roomMade();
      },
    });
    this.#rebalance = new Rebalance(resolved.group, this.clientId, resolved.strategy, context);
    const subscriptions = this.#subscriptions;
    this.#member = {
      clientId: this.clientId,
      group: resolved.group,
      get subscriptions() {
        return new Map(subscriptions);
      },
      dropLostQueues: () => this.#dropLostQueues(),
      takeNewQueues: () => this.#takeNewQueues(),
      brokerFailed: (error) => this.#brokerFailed(error),
    };
  }

  get assignment(): readonly MessageQueue[] {
    return [...this.#loops.keys()].sort(compareMessageQueues);
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    this.#starting ??= this.#start();
    return this.#starting;
  }

  suspend(): void {
    this.#isSuspended = true;
    for (const loop of this.#loops.values()) loop.pause();
  }

  resume(): void {
    this.#isSuspended = false;
    for (const loop of this.#loops.values()) loop.resume();
  }

  subscribe(topic: string, filter = "*"): void {
    if (this.#closing !== undefined) throw this.#closedError();
    const expression = checkSubscription(topic, filter);
    if (this.#subscriptions.get(topic) === expression) return;
    this.#subscriptions.set(topic, expression);
    this.#dropQueues((queue) => queue.topic === topic);
    if (this.#starting !== undefined) this.#context.port.heartbeat(this.#member);
  }

  unsubscribe(topic: string): void {
    if (this.#closing !== undefined) throw this.#closedError();
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
    for (const loop of this.#loops.values()) loop.pause();
    this.#service.stop();
    await this.#waitForListeners(graceMs);
    this.#dropQueues(() => true);
    this.#context.port.unregisterConsumer(this.#member);
    await Promise.all(this.#runs);
    try {
      await this.#context.port.persistOffsets();
    } finally {
      this.#closed();
    }
  }

  #closed(): void {
    this.#rebalanceTimer?.cancel();
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
    await Promise.race([this.#service.idle(), late]);
    timer.current?.cancel();
    if (isLate) this.#service.abort(this.#closedError());
  }

  #dropLostQueues(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    const wanted = this.#rebalance.compute(this.#subscriptions.keys(), [...this.#loops.keys()]);
    this.#dropQueues((queue) => !wanted.has(queue));
  }

  #takeNewQueues(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    for (const queue of this.#rebalance.wanted) if (!this.#loops.has(queue)) this.#take(queue);
    if (this.#rebalance.hasFailed) this.#rebalanceLater();
  }

  /** What failed, in a strategy of the user's for example, may succeed the next time. */
  #rebalanceLater(): void {
    this.#rebalanceTimer ??= this.#context.clock.at(this.#context.clock.now() + FAILED_REBALANCE_MS, () => {
      this.#rebalanceTimer = undefined;
      this.#context.port.heartbeat(this.#member);
    });
  }

  #take(queue: MessageQueue): void {
    const { pullBatchSize, pullBatchSizeInBytes, pullIntervalMs, pullThresholdForQueue, pullThresholdSizeForQueue } =
      this.#options;
    const loop = new PullLoop(queue, {
      port: this.#context.port,
      turns: this.#pullTurns,
      clock: this.#context.clock,
      logger: this.#context.logger,
      group: this.#options.group,
      expression: this.#subscriptions.get(queue.topic) ?? "*",
      pullBatchSize,
      pullBatchSizeInBytes,
      pullIntervalMs,
      pullThresholdForQueue,
      pullThresholdSizeForQueue,
      consumeConcurrentlyMaxSpan: this.#options.consumeConcurrentlyMaxSpan,
      startOffset: (messageQueue) => this.#startOffset(messageQueue),
      submit: (processQueue, messages) => this.#service.submit(processQueue, messages),
      onProgress: (processQueue) => this.#reportOffset(processQueue),
      onOffsetIllegal: (processQueue, nextOffset) => this.#restartAt(processQueue, nextOffset),
    });
    this.#loops.set(queue, loop);
    const run: Promise<void> = loop.run(this.#isSuspended).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  /** Their offsets are known to the broker before anybody else takes the queues. */
  #dropQueues(isLost: (queue: MessageQueue) => boolean): void {
    for (const [queue, loop] of this.#loops) {
      if (!isLost(queue)) continue;
      this.#reportOffset(loop.processQueue);
      this.#loops.delete(queue);
      this.#service.forget(loop.processQueue);
      loop.drop();
    }
  }

  #reportOffset(processQueue: ProcessQueue): void {
    const { topic, queueId } = processQueue.messageQueue;
    const offset = processQueue.takeChangedOffset();
    if (offset !== undefined) this.#context.port.updateOffset(this.#options.group, topic, queueId, offset, true);
  }

  #restartAt(processQueue: ProcessQueue, nextOffset: number): void {
    const { messageQueue } = processQueue;
    this.#context.logger.warn("a consume offset was outside its message queue", {
      group: this.#options.group,
      ...messageQueue,
      nextOffset,
    });
    this.#service.forget(processQueue);
    this.#loops.get(messageQueue)?.drop();
    this.#loops.delete(messageQueue);
    this.#context.port.updateOffset(this.#options.group, messageQueue.topic, messageQueue.queueId, nextOffset, false);
    this.#take(messageQueue);
  }

  /** Source: RocketMQ, `RebalancePushImpl.java`, `computePullFromWhereWithException`. */
  async #startOffset({ topic, queueId }: MessageQueue): Promise<number> {
    const { port } = this.#context;
    const { nextOffset, minOffset, maxOffset } = await port.queryOffset(this.#options.group, topic, queueId);
    if (nextOffset !== undefined) return nextOffset;
    const where = this.#options.consumeFromWhere;
    if (where === "first-offset") return minOffset;
    if (where === "last-offset" || maxOffset === 0) return maxOffset;
    return port.searchOffset(topic, queueId, where.timestamp, "lower");
  }

  #brokerFailed(error: MqError): void {
    this.#context.logger.error(`consumer ${this.clientId} of group ${this.#options.group} stopped: ${error.message}`);
    this.#dropQueues(() => true);
    this.#hold?.release();
  }

  #closedError(): MqError {
    return new MqError("ERR_MQ_CLOSED", `consumer ${this.clientId} of group ${this.#options.group} is closed`);
  }
}
