import type { BroadcastInstance } from "../broker/broker-port.js";
import type { MessageQueue } from "../message/message-queue.js";
import { systemClock } from "../time/clock.js";
import { AssignedQueues } from "./assigned-queues.js";
import type { ClientContext } from "./client-context.js";
import { ConcurrentConsumeService, type ConsumeService, type ConsumeServiceOptions } from "./consume-service.js";
import { ConsumerLifecycle } from "./consumer-lifecycle.js";
import { type ConsumerOffsetStore, GroupOffsetStore, InstanceOffsetStore } from "./consumer-offset-store.js";
import { checkSubscription } from "./consumer-options.js";
import { DropFailedMessages } from "./failed-messages.js";
import { GroupMembership, nameMember } from "./group-membership.js";
import { MemberLocks } from "./member-locks.js";
import { OrderlyConsumeService } from "./orderly-consume-service.js";
import { OrderlyFailures } from "./orderly-failures.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";
import { PushThresholds } from "./pull-thresholds.js";
import type { CloseOptions, PushConsumer } from "./push-consumer.js";
import {
  type PushConsumerOptions,
  type ResolvedPushConsumerOptions,
  resolvePushConsumerOptions,
} from "./push-consumer-options.js";
import { SendBackService } from "./send-back-service.js";

const EVERY_MESSAGE = "*";

/** {@link PushConsumer} on the broker of this process. */
export class LocalPushConsumer implements PushConsumer {
  readonly clientId: string;
  readonly #context: ClientContext;
  readonly #lifecycle: ConsumerLifecycle;
  readonly #membership: GroupMembership;
  readonly #isOrderly: boolean;
  readonly #offsets: ConsumerOffsetStore;
  readonly #queues: AssignedQueues;
  readonly #service: ConsumeService;

  constructor(options: PushConsumerOptions, context: ClientContext, onClosed: (consumer: LocalPushConsumer) => void) {
    const resolved = resolvePushConsumerOptions(options);
    const { group, messageModel, consumeFromWhere, instanceName } = resolved;
    const { port, clock } = context;
    const name = nameMember(context, group, messageModel, instanceName);
    const { clientId, instance } = name;
    this.clientId = clientId;
    this.#isOrderly = resolved.listeners.orderly;
    this.#context = context;
    this.#service = this.#createService(resolved, instance);
    this.#offsets =
      instance === undefined
        ? new GroupOffsetStore(port, group, consumeFromWhere)
        : new InstanceOffsetStore(port, instance, consumeFromWhere);
    this.#queues = new AssignedQueues({
      ...context,
      clock: context.steady,
      settings: { ...resolved, hasOwnFilter: false },
      thresholds: new PushThresholds(resolved),
      hasRetries: messageModel === "clustering",
      startOffset: ({ messageQueue }, isNew) => this.#offsets.startOffset(messageQueue, isNew),
      expressionOf: (topic) => this.#membership.expressionOf(topic),
      mayTake: (queue) => this.#service.mayTake(queue),
      submit: (processQueue, messages) => this.#service.submit(processQueue, messages),
      progressed: (processQueue) => this.#reportOffset(processQueue),
      // Where another member has it by now, that one's progress counts.
      leaving: (processQueue) => {
        if (this.#service.mayTake(processQueue.messageQueue)) this.#reportOffset(processQueue);
      },
      forget: (processQueue) => this.#service.forget(processQueue),
      offsetIllegal: (processQueue, nextOffset) => this.#restartAt(processQueue.messageQueue, nextOffset),
    });
    this.#lifecycle = new ConsumerLifecycle(`consumer ${clientId} of group ${group}`, clock, {
      join: () => this.#membership.join(),
      started: () => undefined,
      leave: () => this.#membership.leave(),
      end: (graceMs) => this.#end(graceMs),
      closed: () => {
        this.#service.close();
        onClosed(this);
      },
    });
    this.#membership = new GroupMembership({
      ...resolved,
      ...name,
      hasRetries: messageModel === "clustering",
      context,
      queues: this.#queues,
      sharesQueues: () => true,
      onAssignment: () => undefined,
      isEnding: () => this.#lifecycle.isEnding,
      isClosed: () => this.#lifecycle.isClosed,
      brokerFailed: () => {
        this.#service.close();
        this.#lifecycle.letGo();
      },
    });
  }

  get assignment(): readonly MessageQueue[] {
    return this.#queues.ofTopics;
  }

  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  suspend(): void {
    this.#lifecycle.assertOpen();
    this.#queues.pause();
  }

  resume(): void {
    this.#lifecycle.assertOpen();
    this.#queues.resume();
  }

  subscribe(topic: string, filter: string = EVERY_MESSAGE): void {
    this.#lifecycle.assertOpen();
    if (!this.#membership.subscribe(topic, checkSubscription(topic, filter))) return;
    this.#queues.drop((queue) => queue.topic === topic);
    this.#tell();
  }

  unsubscribe(topic: string): void {
    this.#lifecycle.assertOpen();
    if (this.#membership.unsubscribe(topic)) this.#tell();
  }

  close(options?: CloseOptions): Promise<void> {
    return this.#lifecycle.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #createService(options: ResolvedPushConsumerOptions, instance: BroadcastInstance | undefined): ConsumeService {
    const { group, messageModel, listeners, maxReconsumeTimes } = options;
    const { clientId } = this;
    const { port, logger, steady: clock } = this.#context;
    const isClustering = messageModel === "clustering";
    const common: ConsumeServiceOptions = {
      ...this.#context,
      clock,
      group,
      clientId,
      instance,
      dedup: port.dedup,
      concurrency: options.consumeConcurrency,
      batchMaxSize: options.consumeMessageBatchMaxSize,
      timeoutMs: options.consumeTimeoutMs,
      catchUp: (then) => port.catchUp(then),
      onDelivered: (processQueue) => this.#queues.delivered(processQueue),
      acknowledge: (processQueue, messages) => this.#acknowledge(processQueue, messages),
    };
    const { acknowledge } = common;
    if (listeners.orderly) {
      const onLockLost = (queue: MessageQueue): void => this.#loseQueue(queue);
      const owner = `${clientId} ${this.#context.ids.next()}`;
      return new OrderlyConsumeService({
        ...common,
        ...listeners,
        suspendCurrentQueueTimeMs: options.suspendCurrentQueueTimeMs,
        failures: new OrderlyFailures({ ...this.#context, group, messageModel, maxReconsumeTimes }),
        locks: isClustering ? new MemberLocks({ group, owner, port, clock, onLost: onLockLost }) : undefined,
        onLockLost,
      });
    }
    const failures = isClustering
      ? new SendBackService({
          ...this.#context,
          clock,
          group,
          maxReconsumeTimes,
          acknowledge,
          resubmit: (processQueue, messages) => this.#service.submit(processQueue, messages),
        })
      : new DropFailedMessages(group, logger, acknowledge);
    return new ConcurrentConsumeService({ ...common, ...listeners, failures });
  }

  /** These messages are done with: the offset may move, and there is room for others. */
  #acknowledge(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    for (const message of messages) processQueue.acknowledge(message);
    this.#reportOffset(processQueue);
    this.#queues.delivered(processQueue);
  }

  /** Whoever consumes in order has the queue to himself, and may mean to go back. */
  #reportOffset(processQueue: ProcessQueue): void {
    const offset = processQueue.takeChangedOffset();
    if (offset === undefined) return;
    this.#offsets.update(processQueue.messageQueue, offset, this.#isOrderly ? "set" : "raise");
  }

  #restartAt(queue: MessageQueue, nextOffset: number): void {
    this.#queues.discard(queue);
    this.#offsets.update(queue, nextOffset, "set");
    this.#queues.take(queue, false);
  }

  #tell(): void {
    if (this.#lifecycle.hasBegun) this.#membership.tell();
  }

  /** Another member has locked it; it is asked for again for as long as it is this one's share. */
  #loseQueue(lost: MessageQueue): void {
    this.#queues.drop((queue) => queue === lost);
    this.#membership.tryAgainLater();
    this.#membership.tellAssignment();
  }

  async #end(graceMs: number): Promise<void> {
    this.#queues.pause();
    this.#service.stop();
    await this.#waitForListeners(graceMs);
    this.#queues.drop(() => true);
    this.#membership.tellAssignment();
    this.#membership.leave();
    await this.#queues.ended();
    await this.#context.port.persistOffsets();
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
    if (isLate) this.#service.abort(this.#lifecycle.closedError());
  }
}
