import { MqError } from "../errors.js";
import { checkMessageQueue, type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";
import { checkKnownTopic } from "../message/names.js";
import { invalid } from "../options.js";
import { AssignmentChanges } from "./assignment-changes.js";
import type { ClientContext } from "./client-context.js";
import { ConsumerLifecycle } from "./consumer-lifecycle.js";
import { checkSubscription } from "./consumer-options.js";
import { GroupMembership, nameMember } from "./group-membership.js";
import {
  checkBroker,
  checkOffset,
  checkOffsets,
  checkQueues,
  checkTimestamp,
  offsetError,
} from "./message-queue-arguments.js";
import { Polling } from "./polling.js";
import type { PullConsumer } from "./pull-consumer.js";
import {
  type PollOptions,
  type PullConsumerOptions,
  type ResolvedPullConsumerOptions,
  resolvePollOptions,
  resolvePullConsumerOptions,
} from "./pull-consumer-options.js";
import { PullQueues } from "./pull-queues.js";

const EVERY_MESSAGE = "*";

/** How it came to its queues. */
type Mode = "none" | "subscribing" | "assigning";

/** {@link PullConsumer} on the broker of this process. */
export class LocalPullConsumer implements PullConsumer {
  readonly clientId: string;
  /** As errors name it. */
  readonly #name: string;
  readonly #options: ResolvedPullConsumerOptions;
  readonly #context: ClientContext;
  readonly #lifecycle: ConsumerLifecycle;
  readonly #membership: GroupMembership;
  readonly #polling: Polling;
  readonly #queues: PullQueues;
  readonly #changes: AssignmentChanges;
  #mode: Mode = "none";
  /** What it was told to assign. */
  #chosen: readonly MessageQueue[] = [];
  #hasJoined = false;
  /** Why it can go on no longer. */
  #failure: MqError | undefined;

  constructor(options: PullConsumerOptions, context: ClientContext, onClosed: (consumer: LocalPullConsumer) => void) {
    const resolved = resolvePullConsumerOptions(options);
    const { group, subscriptions, instanceName, onAssignmentChange: listener } = resolved;
    const { logger } = context;
    const name = nameMember(context, group, "clustering", instanceName);
    this.clientId = name.clientId;
    this.#name = `consumer ${name.clientId} of group ${group}`;
    this.#options = resolved;
    this.#context = context;
    if (subscriptions.size > 0) this.#mode = "subscribing";
    const isAssigned = (): boolean => this.#mode === "assigning";
    this.#polling = new Polling({
      ...context,
      clock: context.steady,
      group,
      clientId: name.clientId,
      name: this.#name,
      idleMs: resolved.autoCommit ? resolved.autoCommitIntervalMs : Number.POSITIVE_INFINITY,
      catchUp: (then) => context.port.catchUp(then),
      commitWhenDue: () => this.#queues.commitWhenDue(),
      handedOut: (processQueue) => this.#queues.handedOut(processQueue),
      assertUsable: () => this.#assertUsable(),
      isClosing: () => this.#lifecycle.isClosing,
    });
    this.#queues = new PullQueues({
      consumer: resolved,
      context,
      messages: this.#polling.messages,
      expressionOf: (topic) => this.#membership.expressionOf(topic),
      isAssigned,
    });
    this.#changes = new AssignmentChanges({ logger, current: () => this.assignment, listener });
    this.#lifecycle = new ConsumerLifecycle(this.#name, context.clock, {
      join: () => this.#join(),
      started: () => this.#changes.look(),
      leave: () => this.#membership.leave(),
      end: () => this.#end(),
      closed: () => onClosed(this),
    });
    this.#membership = new GroupMembership({
      ...resolved,
      ...name,
      messageModel: "clustering",
      hasRetries: false,
      context,
      queues: this.#queues,
      sharesQueues: () => !isAssigned(),
      onAssignment: () => this.#assignmentChanged(),
      isEnding: () => this.#lifecycle.isEnding,
      isClosed: () => this.#lifecycle.isClosed,
      brokerFailed: (error) => this.#fail(error),
    });
    if (options.autoCommitIntervalMs !== undefined && options.autoCommitIntervalMs < resolved.autoCommitIntervalMs) {
      const data = { group, autoCommitIntervalMs: resolved.autoCommitIntervalMs };
      logger.warn("an autoCommitIntervalMs below 1,000 changes nothing", data);
    }
  }

  get assignment(): readonly MessageQueue[] {
    return this.#queues.ofTopics;
  }

  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  subscribe(topic: string, filter: string = EVERY_MESSAGE): void {
    this.#assertGoingOn();
    const expression = checkSubscription(topic, filter);
    this.#assertMayBe("subscribing");
    if (!this.#membership.subscribe(topic, expression)) return;
    this.#mode = "subscribing";
    this.#queues.refilter(topic);
    if (this.#lifecycle.hasBegun) this.#membership.tell();
  }

  assign(queues: readonly MessageQueue[]): void {
    this.#assertGoingOn();
    const chosen = checkQueues("assign", queues);
    if (chosen.length === 0) throw invalid("assign needs at least one message queue, got none");
    for (const queue of chosen) checkBroker(queue, this.#context.port.brokerName);
    this.#assertMayBe("assigning");
    this.#mode = "assigning";
    this.#chosen = [...new Map(chosen.map((queue) => [queueKeyOf(queue.topic, queue.queueId), queue])).values()];
    if (this.#hasJoined) this.#takeChosen();
  }

  async fetchMessageQueues(topic: string): Promise<readonly MessageQueue[]> {
    this.#assertUsable();
    const { readQueues } = await this.#context.port.queryRoute(checkKnownTopic(topic));
    return readQueues;
  }

  async poll(options: PollOptions = {}): Promise<readonly MessageView[]> {
    const { timeoutMs, maxMessages, signal } = resolvePollOptions(options, this.#options.pullBatchSize);
    this.#assertUsable();
    return this.#polling.poll(maxMessages, timeoutMs, signal);
  }

  async seek(queue: MessageQueue, offset: number): Promise<void> {
    this.#assertUsable();
    const place = checkMessageQueue(queue);
    const wanted = checkOffset(offset);
    await this.#queues.seek(place, () => wanted);
  }

  async seekToBegin(queue: MessageQueue): Promise<void> {
    this.#assertUsable();
    await this.#queues.seek(checkMessageQueue(queue), ({ minOffset }) => minOffset);
  }

  async seekToEnd(queue: MessageQueue): Promise<void> {
    this.#assertUsable();
    await this.#queues.seek(checkMessageQueue(queue), ({ maxOffset }) => maxOffset);
  }

  async offsetForTimestamp(queue: MessageQueue, timestamp: number | Date): Promise<number> {
    this.#assertUsable();
    const place = checkMessageQueue(queue);
    const time = checkTimestamp(timestamp);
    await this.#checkExists(place);
    return this.#context.port.searchOffset(place.topic, place.queueId, time, "lower");
  }

  pause(queues: readonly MessageQueue[]): void {
    this.#assertGoingOn();
    this.#queues.pause(checkQueues("pause", queues));
  }

  resume(queues: readonly MessageQueue[]): void {
    this.#assertGoingOn();
    this.#queues.resume(checkQueues("resume", queues));
  }

  async committed(queue: MessageQueue): Promise<number | undefined> {
    this.#assertUsable();
    const place = checkMessageQueue(queue);
    const { topic, queueId } = place;
    await this.#checkExists(place);
    return (await this.#context.port.queryOffset(this.#options.group, topic, queueId)).storedOffset;
  }

  async commit(offsets?: ReadonlyMap<MessageQueue, number>): Promise<void> {
    this.#assertUsable();
    const { inHand } = this.#polling.events;
    if (offsets === undefined) {
      await this.#queues.commit();
      this.#polling.events.consumed(inHand);
      return;
    }
    const given = checkOffsets(offsets);
    await this.#queues.commitThese(given);
    this.#polling.events.consumed(
      inHand.filter((message) =>
        given.some(
          ([{ topic, queueId }, nextOffset]) =>
            topic === message.topic && queueId === message.queueId && nextOffset > message.queueOffset,
        ),
      ),
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<MessageView, undefined> {
    return this.#polling.iterate();
  }

  close(): Promise<void> {
    return this.#lifecycle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #join(): Promise<void> {
    await this.#membership.join();
    this.#hasJoined = true;
    if (this.#mode === "assigning" && !this.#lifecycle.isEnding) this.#takeChosen();
  }

  #takeChosen(): void {
    this.#queues.assign(this.#chosen);
    this.#assignmentChanged();
  }

  /** Whoever is told may seek, so that it is told of the first queues once it is started. */
  #assignmentChanged(): void {
    if (this.#lifecycle.hasStarted) this.#changes.look();
  }

  #assertMayBe(mode: Mode): void {
    if (this.#mode === "none" || this.#mode === mode) return;
    throw new MqError("ERR_MQ_SUBSCRIPTION", `${this.#name}: subscribe and assign are mutually exclusive`, {
      responseCode: -1,
    });
  }

  async #end(): Promise<void> {
    const { messages, events } = this.#polling;
    messages.end();
    this.#queues.drop(() => true);
    if (this.#options.autoCommit) events.consumed(events.inHand);
    this.#membership.tellAssignment();
    this.#assignmentChanged();
    this.#membership.leave();
    await this.#queues.ended();
    await this.#context.port.persistOffsets();
  }

  #fail(error: MqError): void {
    this.#failure = error;
    this.#polling.messages.fail(this.#failureError(error));
    this.#assignmentChanged();
    this.#lifecycle.letGo();
  }

  #assertUsable(): void {
    this.#lifecycle.assertStarted();
    this.#assertGoingOn();
  }

  /** Also before it is started. */
  #assertGoingOn(): void {
    this.#lifecycle.assertOpen();
    if (this.#failure !== undefined) throw this.#failureError(this.#failure);
  }

  /** With a stack of its own. */
  #failureError(cause: MqError): MqError {
    return new MqError(cause.code, `${this.#name} stopped: ${cause.message}`, {
      cause,
      responseCode: cause.responseCode,
    });
  }

  async #checkExists(queue: MessageQueue): Promise<void> {
    checkBroker(queue, this.#context.port.brokerName);
    const { topic, queueId } = queue;
    const { queueNums } = await this.#context.port.queryRoute(topic);
    if (queueId >= 0 && queueId < queueNums) return;
    throw offsetError(`topic ${topic} has ${queueNums} message queues, got queueId ${queueId}`);
  }
}
