import type { BroadcastInstance, GroupMember, MessageModel } from "../broker/broker-port.js";
import type { MqError } from "../errors.js";
import { isSameTagExpression } from "../filter/tag-expression.js";
import { retryTopic } from "../message/derived-names.js";
import { compareMessageQueues, type MessageQueue } from "../message/message-queue.js";
import type { ClockTimer } from "../time/clock.js";
import { type AllocateMessageQueueStrategy, allocateAll } from "./allocate-message-queue.js";
import type { ClientContext } from "./client-context.js";
import { Rebalance } from "./rebalance.js";

/** Source: RocketMQ, `RebalanceService.java`, `minInterval`. */
const TRY_AGAIN_MS = 1_000;
const EVERY_MESSAGE = "*";
/** Broadcasting consumers have it unless they say otherwise, so that they find their progress again. */
const BROADCASTING_INSTANCE = "DEFAULT";

/** The queues that a member works on. */
export interface MemberQueues {
  readonly all: readonly MessageQueue[];
  /** Sorted, without those of the group's retry topic. */
  readonly ofTopics: readonly MessageQueue[];
  /**
   * No effect on what it has. False: not now, it is to be tried again soon.
   *
   * @param isNew - the queue did not exist when the consumer subscribed to its topic.
   */
  take(queue: MessageQueue, isNew: boolean): boolean;
  /** Their offsets are known to the broker when this returns. */
  drop(isLost: (queue: MessageQueue) => boolean): void;
}

/** Under which name a consumer takes part. */
export interface MemberName {
  readonly clientId: string;
  /** Under which a broadcasting member's progress is kept. */
  readonly instance: BroadcastInstance | undefined;
}

export interface GroupMembershipOptions extends MemberName {
  readonly group: string;
  readonly messageModel: MessageModel;
  readonly subscriptions: ReadonlyMap<string, string>;
  readonly strictSubscriptions: boolean;
  readonly strategy: AllocateMessageQueueStrategy;
  /** Whether what the group failed to consume comes again through its retry topic. */
  readonly hasRetries: boolean;
  readonly context: ClientContext;
  readonly queues: MemberQueues;
  /** Whether its queues are its share of the group's; else it chooses them by itself, and subscribes to nothing. */
  readonly sharesQueues: () => boolean;
  /** It has other queues than before. */
  readonly onAssignment: () => void;
  /** Whether it takes no queue any more. */
  readonly isEnding: () => boolean;
  /** Whether it has no queue any more. */
  readonly isClosed: () => boolean;
  /** It was told that it can go on no longer; its queues are dropped. */
  readonly brokerFailed: (error: MqError) => void;
}

/** @param instanceName - the user's; else a clustering consumer is given one of its own. */
export function nameMember(
  { address, ids }: ClientContext,
  group: string,
  messageModel: MessageModel,
  instanceName: string | undefined,
): MemberName {
  const isClustering = messageModel === "clustering";
  const name = instanceName ?? (isClustering ? ids.next() : BROADCASTING_INSTANCE);
  return { clientId: `${address}@${name}`, instance: isClustering ? undefined : { group, instanceName: name } };
}

/** A consumer's part in its group: its name, its subscriptions, and which queues that gives it. */
export class GroupMembership {
  readonly #options: GroupMembershipOptions;
  readonly #subscriptions: Map<string, string>;
  readonly #rebalance: Rebalance;
  readonly #member: GroupMember;
  #timer: ClockTimer | undefined;
  #toldAssignment: readonly MessageQueue[] = [];

  constructor(options: GroupMembershipOptions) {
    const { group, messageModel, strictSubscriptions: isStrict, clientId, instance, context } = options;
    this.#options = options;
    this.#subscriptions = new Map(options.subscriptions);
    const strategy = messageModel === "clustering" ? options.strategy : allocateAll;
    this.#rebalance = new Rebalance(group, clientId, strategy, context);
    const subscriptions = (): ReadonlyMap<string, string> => this.#allSubscriptions();
    const wantedQueues = (): Iterable<MessageQueue> => this.#rebalance.wanted;
    this.#member = {
      clientId,
      group,
      messageModel,
      isStrict,
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

  /** @throws as {@link BrokerPort.registerConsumer} rejects. */
  join(): Promise<void> {
    return this.#options.context.port.registerConsumer(this.#member);
  }

  leave(): void {
    this.#timer?.cancel();
    this.#options.context.port.unregisterConsumer(this.#member);
  }

  /** Topics that the user subscribed to. */
  get topics(): Iterable<string> {
    return this.#subscriptions.keys();
  }

  /** The tag expression of a topic. */
  expressionOf(topic: string): string {
    return this.#allSubscriptions().get(topic) ?? EVERY_MESSAGE;
  }

  /**
   * Adds a topic or replaces its expression; {@link GroupMembership.tell} afterwards. False: it is as it was. With another expression other messages are to be
   * had of the queues that the member has. Throws, with nothing changed, what strict members forbid.
   */
  subscribe(topic: string, expression: string): boolean {
    const known = this.#subscriptions.get(topic);
    if (known !== undefined && isSameTagExpression(known, expression)) return false;
    this.#checkSubscriptions((subscriptions) => subscriptions.set(topic, expression));
    this.#subscriptions.set(topic, expression);
    return true;
  }

  /** As {@link GroupMembership.subscribe}. */
  unsubscribe(topic: string): boolean {
    if (!this.#subscriptions.has(topic)) return false;
    this.#checkSubscriptions((subscriptions) => subscriptions.delete(topic));
    return this.#subscriptions.delete(topic);
  }

  /** Tells the broker its subscriptions: the queues are shared anew when this returns. */
  tell(): void {
    this.#options.context.port.heartbeat(this.#member);
  }

  /** Tells those who listen which queues it has, if these are others than before. */
  tellAssignment(): void {
    const { group, clientId, queues, context } = this.#options;
    const assignment = queues.ofTopics;
    if (isSameAssignment(assignment, this.#toldAssignment)) return;
    // A copy: listeners get the list itself.
    this.#toldAssignment = [...assignment];
    context.events.emit("group:rebalanced", { group, clientId, assignment });
    this.#options.onAssignment();
  }

  /**
   * What failed, in a strategy of the user's for example, may succeed the next time, and a queue that could not be taken may be free. For the latter the group is not
   * shared anew: 64 members that waited for some of 1,024 queues did nothing else.
   */
  tryAgainLater(): void {
    const { group, context } = this.#options;
    const { steady, port } = context;
    this.#timer ??= steady.at(steady.now() + TRY_AGAIN_MS, () => {
      this.#timer = undefined;
      if (this.#rebalance.hasFailed) port.rebalance(group);
      else this.#takeNewQueues();
    });
  }

  /** Also while it closes: what goes to another member meanwhile is that one's. */
  #dropLostQueues(): void {
    const { queues, sharesQueues, isClosed } = this.#options;
    if (isClosed() || !sharesQueues()) return;
    const wanted = this.#rebalance.compute([...this.#allSubscriptions().keys()], queues.all);
    queues.drop((queue) => !wanted.has(queue) || !this.#mayHave(queue));
  }

  #takeNewQueues(): void {
    const { queues, sharesQueues, isEnding } = this.#options;
    if (isEnding() || !sharesQueues()) return;
    let hasAll = true;
    for (const queue of this.#rebalance.wanted)
      if (this.#mayHave(queue) && !queues.take(queue, this.#rebalance.isNew(queue))) hasAll = false;
    if (this.#rebalance.hasFailed || !hasAll) this.tryAgainLater();
    this.tellAssignment();
  }

  /** A broadcasting consumer shares with nobody. */
  #mayHave(queue: MessageQueue): boolean {
    const { group, messageModel, context } = this.#options;
    return messageModel === "broadcasting" || context.port.holdsQueue(group, queue);
  }

  #checkSubscriptions(change: (subscriptions: Map<string, string>) => void): void {
    const changed = new Map(this.#allSubscriptions());
    change(changed);
    this.#options.context.port.checkSubscriptions(this.#member, changed);
  }

  /** With that of the group's failed messages, where it gets them. */
  #allSubscriptions(): ReadonlyMap<string, string> {
    const { group, hasRetries } = this.#options;
    const own = new Map(this.#subscriptions);
    return hasRetries ? own.set(retryTopic(group), EVERY_MESSAGE) : own;
  }

  #brokerFailed(error: MqError): void {
    const { group, clientId, context, queues, brokerFailed } = this.#options;
    context.logger.error(`consumer ${clientId} of group ${group} stopped: ${error.message}`);
    this.#timer?.cancel();
    queues.drop(() => true);
    this.tellAssignment();
    brokerFailed(error);
  }
}

/** Both are sorted. */
function isSameAssignment(a: readonly MessageQueue[], b: readonly MessageQueue[]): boolean {
  return (
    a.length === b.length && a.every((queue, index) => compareMessageQueues(queue, b[index] as MessageQueue) === 0)
  );
}
