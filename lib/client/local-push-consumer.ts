import type { MessageQueue } from "../message/message-queue.js";
import { systemClock } from "../time/clock.js";
import { AssignedQueues } from "./assigned-queues.js";
import type { ClientContext } from "./client-context.js";
import { ConcurrentConsumeService, type ConsumeService, type ConsumeServiceOptions } from "./consume-service.js";
import { ConsumerLifecycle } from "./consumer-lifecycle.js";
import { GroupOffsetStore, InstanceOffsetStore } from "./consumer-offset-store.js";
import { DropFailedMessages } from "./failed-messages.js";
import { GroupMembership, nameMember } from "./group-membership.js";
import { MemberLocks } from "./member-locks.js";
import { OrderlyConsumeService } from "./orderly-consume-service.js";
import { OrderlyFailures } from "./orderly-failures.js";
import type { CloseOptions, PushConsumer } from "./push-consumer.js";
import {
  checkSubscription,
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
  readonly #queues: AssignedQueues;
  readonly #service: ConsumeService;

  constructor(options: PushConsumerOptions, context: ClientContext, onClosed: (consumer: LocalPushConsumer) => void) {
    const resolved = resolvePushConsumerOptions(options);
    const { group, messageModel, consumeFromWhere, instanceName } = resolved;
    const { port, clock } = context;
    const name = nameMember(context, group, messageModel, instanceName);
    const { clientId, instance } = name;
    this.clientId = clientId;
    this.#context = context;
    this.#service = this.#createService(resolved);
    this.#queues = new AssignedQueues({
      ...context,
      consumer: resolved,
      offsets:
        instance === undefined
          ? new GroupOffsetStore(port, group, consumeFromWhere)
          : new InstanceOffsetStore(port, instance, consumeFromWhere),
      expressionOf: (topic) => this.#membership.expressionOf(topic),
      mayTake: (queue) => this.#service.mayTake(queue),
      submit: (processQueue, messages) => this.#service.submit(processQueue, messages),
      forget: (processQueue) => this.#service.forget(processQueue),
    });
    this.#lifecycle = new ConsumerLifecycle(`consumer ${clientId} of group ${group}`, clock, {
      join: () => this.#membership.join(),
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
    if (this.#membership.subscribe(topic, checkSubscription(topic, filter))) this.#tell();
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

  #createService(options: ResolvedPushConsumerOptions): ConsumeService {
    const { group, messageModel, listeners, maxReconsumeTimes } = options;
    const { clientId } = this;
    const { port, logger } = this.#context;
    const isClustering = messageModel === "clustering";
    const common: ConsumeServiceOptions = {
      ...this.#context,
      group,
      clientId,
      concurrency: options.consumeConcurrency,
      batchMaxSize: options.consumeMessageBatchMaxSize,
      timeoutMs: options.consumeTimeoutMs,
      catchUp: (then) => port.catchUp(then),
      onDelivered: (processQueue) => this.#queues.delivered(processQueue),
      acknowledge: (processQueue, messages) => this.#queues.acknowledge(processQueue, messages),
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
        locks: isClustering ? new MemberLocks({ ...this.#context, group, owner, onLost: onLockLost }) : undefined,
        onLockLost,
      });
    }
    const failures = isClustering
      ? new SendBackService({
          ...this.#context,
          group,
          maxReconsumeTimes,
          acknowledge,
          resubmit: (processQueue, messages) => this.#service.submit(processQueue, messages),
        })
      : new DropFailedMessages(group, logger, acknowledge);
    return new ConcurrentConsumeService({ ...common, ...listeners, failures });
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
