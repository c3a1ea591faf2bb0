import type { MqError } from "../errors.js";
import type { MessageDelay } from "../message/message-delay.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { StoredMessageView, StoreHost } from "../message/message-view.js";
import type { RecallHandle } from "../message/recall-handle.js";
import type { ReceiptHandle } from "../message/receipt-handle.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { ConsumeType } from "../store/member-table.js";
import type { OffsetRule } from "./consume-offsets.js";
import type { DedupPort } from "./dedup-port.js";
import type { EndOfTransaction, HalfRequest } from "./half-messages.js";
import type { MessageToAppend } from "./log-appender.js";
import type { DelayedMessage } from "./message-delays.js";
import type { PopRequest } from "./pop-message.js";
import type { ReceiptRequest } from "./pop-receipts.js";
import type { SendBackOutcome, SendBackRequest } from "./send-back.js";
import type { TransactionChecker } from "./transaction-checkers.js";

export type { RecallHandle } from "../message/recall-handle.js";
export type { ReceiptHandle } from "../message/receipt-handle.js";
export type { BroadcastInstance } from "../store/broadcast-offset-table.js";
export type { HalfMessage } from "../store/half-table.js";
export type { ConsumeType } from "../store/member-table.js";
export type { SqliteDatabase } from "../store/sqlite.js";
export type { OffsetRule } from "./consume-offsets.js";
export type {
  AcknowledgedPlace,
  ClaimedKey,
  DedupKey,
  DedupPort,
  Effect,
  KeyClaim,
  KeyCompletion,
} from "./dedup-port.js";
export type { EndOfTransaction, HalfRequest, TransactionEnd } from "./half-messages.js";
export type { PopRequest } from "./pop-message.js";
export type { PopStart } from "./pop-offsets.js";
export type { ReceiptRequest } from "./pop-receipts.js";
export type { TransactionChecker } from "./transaction-checkers.js";

/** Which message queues of a topic may be written and read now. */
export interface TopicRoute {
  readonly topic: string;
  /** Queues that it has, whether they can be written or read now or not. */
  readonly queueNums: number;
  /** As it is configured, whatever `perm` permits. */
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  /** RocketMQ's bits: 4 read, 2 write, 1 inherit. */
  readonly perm: number;
  /** Sorted by topic, broker name, queue id; empty when the topic is not writable. */
  readonly writeQueues: readonly MessageQueue[];
  /** The same; empty when the topic is not readable. */
  readonly readQueues: readonly MessageQueue[];
}

/** Messages of one topic for one queue; stored together or not at all, at consecutive offsets. */
export interface AppendRequest {
  readonly topic: string;
  /** Filled in before {@link AppendObserver.stored} where it is chosen late. */
  queueId: number;
  /** Chooses the queue within the transaction; for when the route could not be read before, because another connection kept readers out. */
  readonly chooseQueue?: (() => number) | undefined;
  readonly messages: readonly MessageToAppend[];
  /** Bytes of the messages' properties and bodies. */
  readonly bytes: number;
  /** By the clock for how long something takes. */
  readonly deadline: number;
  /** When its message asks to be delivered; the messages of a batch are not put off. Absent: at once. */
  readonly delay?: MessageDelay | undefined;
  /** How many queues its topic gets where it is created by this. Absent: as many as new topics have here. */
  readonly newTopicQueueNums?: number | undefined;
  /** Its message is a half message: nobody sees it until {@link BrokerPort.endTransaction}. Absent: it is a usual one. */
  readonly half?: HalfRequest | undefined;
  /** Of a client behind a connection: it takes no part in a transaction of the connection's owner, and waits for its end. */
  readonly isRemote?: boolean | undefined;
  /** Filled in where the message asks for a delay: what became of it. */
  delayed?: DelayedMessage | undefined;
}

/** A write that has not ended yet. */
export interface WithdrawableWrite {
  /** Takes it back: nothing of it is stored and its observer hears nothing. False when it is too late. */
  withdraw(): boolean;
}

/** How an append ends: exactly one of the two is called, once, and not within the call of `append`. */
export interface AppendObserver {
  /** Offsets of the messages are filled in. */
  stored(): void;
  failed(error: unknown): void;
}

/** How a send-back ends: exactly one of the two is called, once, and not within the call of `sendBack`. */
export interface SendBackObserver {
  /** The messages are acknowledged and their copies stored; one outcome each, in their order. */
  sentBack(outcomes: readonly SendBackOutcome[]): void;
  /** Nothing changed: they are still unacknowledged. */
  failed(error: unknown): void;
}

/** How a pop ends: exactly one of the two is called, once, and not within the call of `pop`. */
export interface PopObserver {
  /** These are the group's now, invisible for others; none when nothing came in time. */
  popped(messages: readonly StoredMessageView[]): void;
  /** Nothing was popped. */
  failed(error: unknown): void;
}

/** What is asked for in one pull. */
export interface PullRequest {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  readonly offset: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Tag expression that counts for this pull. Absent: what the group subscribed to last. */
  readonly expression?: string | undefined;
  /** Of the member that pulls: a broadcasting one also gets what clustering members sent back. Absent: clustering. */
  readonly messageModel?: MessageModel | undefined;
  /** How long to wait for a message when there is none; 0 answers at once. */
  readonly suspendMs: number;
}

/**
 * - `FOUND`: `messages` is not empty.
 * - `NO_NEW_MSG`: the end of the queue was reached and nothing came within `suspendMs`.
 * - `NO_MATCHED_MSG`: messages were there, the group's filter matches none of them.
 * - `OFFSET_ILLEGAL`: the offset is outside the queue; go on at `nextOffset`.
 */
export type PullStatus = "FOUND" | "NO_NEW_MSG" | "NO_MATCHED_MSG" | "OFFSET_ILLEGAL";

export interface PullResult {
  readonly status: PullStatus;
  /** Where the next pull goes on; passes over what was filtered out. */
  readonly nextOffset: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  readonly messages: readonly StoredMessageView[];
}

/** A group's place in a message queue and the queue's ends, all of one moment. */
export interface QueueProgress {
  /** Where the group goes on; `undefined` when it never consumed from the queue and the queue is not a young one. */
  readonly nextOffset: number | undefined;
  readonly minOffset: number;
  readonly maxOffset: number;
}

/** The same of a group whose members share the queue. */
export interface GroupProgress extends QueueProgress {
  /** Nothing else than what was stored, or is about to be. */
  readonly storedOffset: number | undefined;
}

/** Where a message queue begins and ends. */
export interface QueueEnds {
  readonly minOffset: number;
  /** One past the last. */
  readonly maxOffset: number;
  /** When its first message was stored; `undefined`: it has none. */
  readonly firstStoredAt: number | undefined;
}

/** How far a group has come in a message queue. */
export interface QueueOffset {
  readonly topic: string;
  readonly queueId: number;
  readonly nextOffset: number;
}

/** Topic and tag expression of each subscription of a group. */
export type SubscriptionTable = ReadonlyMap<string, string>;

/** Whether the members of a group share its messages or each get all of them. */
export type MessageModel = "clustering" | "broadcasting";

/** A member that is not in its broker's process but behind a connection. */
export interface RemoteMember {
  /** For how long it may be silent: {@link BrokerPort.heartbeat} has to come more often. RocketMQ: 120 s. */
  readonly expiresAfterMs: number;
  /** It was silent for longer, and takes part no more; to do so it registers again. Queues that it has locked stay so until that lease ends. */
  expired(): void;
}

/** A consumer as its broker knows it. */
export interface GroupMember {
  readonly clientId: string;
  readonly group: string;
  readonly messageModel: MessageModel;
  /** A member that pops takes no share of the queues. Absent: `push`. */
  readonly consumeType?: ConsumeType | undefined;
  /** Under which its progress is kept over restarts, for a broadcasting member that does not keep it by itself. */
  readonly instance: BroadcastInstance | undefined;
  /**
   * With the retry topic of its clustering group, where it gets its retries. A member that subscribes to nothing has no share of the group's queues, and what
   * the others subscribed to counts.
   */
  readonly subscriptions: SubscriptionTable;
  /** Whether nobody in its group may subscribe otherwise: whoever would comes later, and is refused. Absent: no. */
  readonly isStrict?: boolean | undefined;
  /** Absent for a member in this process, which is there until it unregisters. */
  readonly remote?: RemoteMember | undefined;
  /** The share of a clustering member as of the last {@link GroupMember.dropLostQueues}. */
  readonly wantedQueues: Iterable<MessageQueue>;
  /**
   * The members, queues or subscriptions of the group changed. All members here are told `dropLostQueues` before any is told `takeNewQueues`, in one
   * turn: a queue is never with two members. Of its share a clustering member may hold and take what {@link BrokerPort.holdsQueue} says; it is
   * told `takeNewQueues` again when that is more.
   */
  dropLostQueues(): void;
  takeNewQueues(): void;
  /** The broker can go on no longer, because its connection was closed for example. */
  brokerFailed(error: MqError): void;
}

/**
 * How a client reaches a broker. In-process clients, servers of a wire protocol and other processes all use these operations.
 *
 * Source: RocketMQ, `client/.../impl/MQClientAPIImpl.java` and the request codes of `remoting/.../protocol/RequestCode.java`.
 */
export interface BrokerPort {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
  /** Absent where the broker is in another process. */
  readonly dedup?: DedupPort | undefined;
  /** Throws `ERR_MQ_TOPIC_NOT_FOUND` when the topic is unknown and would not be created by a send. */
  getRoute(topic: string): TopicRoute;
  /** `undefined` for an unknown topic. */
  findRoute(topic: string): TopicRoute | undefined;
  /** Rejects with `ERR_MQ_TOPIC_NOT_FOUND` for an unknown topic. */
  queryRoute(topic: string): Promise<TopicRoute>;
  /** Throws `ERR_MQ_TOO_MANY_REQUESTS` when an append would be refused; saves preparing it. */
  assertRoom(): void;
  /** Throws only for what can be said at once; the outcome goes to the observer. */
  append(request: AppendRequest, observer: AppendObserver): WithdrawableWrite;
  /**
   * Resolves once it is durable that nobody gets the message; also when there is none. Rejects with `ERR_MQ_RECALL` (604), `ERR_MQ_NO_PERMISSION` (16),
   * `ERR_MQ_TOPIC_NOT_FOUND` (17).
   */
  recall(topic: string, handle: RecallHandle): Promise<void>;
  /**
   * Makes a half message visible, or discards it; resolves once that is durable, with whether its transaction had not ended before. Rejects with `ERR_MQ_TRANSACTION` for a half message
   * of another group or transaction and, under the profile `rocketmq`, for what has ended (1) or comes too late (604); and as {@link BrokerPort.append} does.
   */
  endTransaction(transaction: EndOfTransaction): Promise<boolean>;
  /** From now on it is asked what became of the transactions of its group. */
  registerChecker(checker: TransactionChecker): void;
  unregisterChecker(checker: TransactionChecker): void;
  /** An abort of `signal` ends the waiting with `NO_NEW_MSG`. */
  pull(request: PullRequest, signal: AbortSignal): Promise<PullResult>;
  /**
   * Acknowledges messages that could not be consumed and puts copies of them off, or into the dead-letter queue: one transaction, all or none.
   * Throws `ERR_MQ_TOO_MANY_REQUESTS` as {@link BrokerPort.append} does.
   */
  sendBack(request: SendBackRequest, observer: SendBackObserver): WithdrawableWrite;
  /**
   * Takes messages and hides them from others of the group; waits for some where there are none. Nothing is popped once it was withdrawn: where that is
   * too late the observer is told.
   *
   * Throws `ERR_MQ_TOO_MANY_REQUESTS` as {@link BrokerPort.append} does, and answers so when too many wait. Fails with `ERR_MQ_INVALID_ARGUMENT` (29) for
   * less than 1 or more than 32 messages, `ERR_MQ_GROUP_NOT_FOUND`, `ERR_MQ_NO_PERMISSION`, `ERR_MQ_FILTER_SYNTAX`.
   */
  pop(request: PopRequest, observer: PopObserver): WithdrawableWrite;
  /** Resolves once it is durable that the group is done with the message. Rejects with `ERR_MQ_RECEIPT_HANDLE` when the group no longer has it. */
  acknowledge(request: ReceiptRequest): Promise<void>;
  /**
   * The message is invisible for this time from now on, 0: not at all. Resolves, once that is durable, with its new handle; rejects as
   * {@link BrokerPort.acknowledge} does.
   */
  changeInvisible(request: ReceiptRequest, invisibleMs: number): Promise<ReceiptHandle>;
  /**
   * Resolves once the group and its retry topic exist, the member takes part, and it has those queues of its share that nobody else had. Rejects with
   * `ERR_MQ_ALREADY_CREATED` when another member has its name, and with `ERR_MQ_SUBSCRIPTION` when it subscribes otherwise than another member and one of
   * the two is strict; where that one is in a process that may be gone it waits for that to be decided.
   */
  registerConsumer(member: GroupMember): Promise<void>;
  /**
   * Throws `ERR_MQ_SUBSCRIPTION` when the member, which takes part, may not subscribe so because of a strict member; to be called before it does. What another
   * process does in the same moment is found out with the next commit: whoever is later then is told {@link GroupMember.brokerFailed} and takes part no more.
   */
  checkSubscriptions(member: GroupMember, subscriptions: SubscriptionTable): void;
  /**
   * The member is there. Where its subscriptions are others than before they count for the group from now on, and its queues are shared anew when this
   * returns. No effect for one that does not take part.
   */
  heartbeat(member: GroupMember): void;
  /** Shares the queues of the group anew before it returns: something kept a member from taking its share. */
  rebalance(group: string): void;
  unregisterConsumer(member: GroupMember): void;
  /** Client ids of the members among which the queues of a clustering group are shared, sorted; those in other processes among them. */
  memberIds(group: string): readonly string[];
  /**
   * To be called before messages are handed to a listener. Where this process was stopped, or slept, for so long that its queues may be another's by now, it
   * finds that out first, and members drop them within this call. False: it cannot be found out now, and `then` is called when it can.
   */
  catchUp(then: () => void): boolean;
  /** Whether members of this clustering group here may have the message queue: no member in another process has it. */
  holdsQueue(group: string, queue: MessageQueue): boolean;
  /**
   * Makes the queues this owner's of its group for 60 s, again where they are. Returns those that are its now: not those that another owner has
   * locked, nor those that {@link BrokerPort.holdsQueue} denies.
   *
   * @param owner - a client; in RocketMQ its client id, which several have one after another.
   */
  lockQueues(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[];
  /** No effect on queues that others have locked. Members that wait for a queue are told `takeNewQueues` in one of the next turns. */
  unlockQueues(group: string, owner: string, queues: readonly MessageQueue[]): void;
  /** Whether a member has a queue of the group locked: it consumes in order. */
  hasLocks(group: string): boolean;
  queryOffset(group: string, topic: string, queueId: number): Promise<GroupProgress>;
  /** Stored with the next group commit, at the latest 50 ms later. */
  updateOffset(group: string, topic: string, queueId: number, nextOffset: number, rule: OffsetRule): void;
  /**
   * As {@link BrokerPort.updateOffset} for several queues; resolves once they, and all offsets given before, are durable. Rejects with `ERR_MQ_OFFSET` where
   * the rule wants a claim and a queue is another process's by now: its offset is not stored, those of the others are. After any other failure they are tried
   * again, as those of `updateOffset` are.
   */
  commitOffsets(group: string, offsets: readonly QueueOffset[], rule: OffsetRule): Promise<void>;
  /** As {@link BrokerPort.queryOffset} for one instance of a broadcasting group; nothing stored is `undefined`, also for a young queue. */
  queryBroadcastOffset(instance: BroadcastInstance, topic: string, queueId: number): Promise<QueueProgress>;
  /** As {@link BrokerPort.updateOffset}. */
  updateBroadcastOffset(
    instance: BroadcastInstance,
    topic: string,
    queueId: number,
    nextOffset: number,
    rule: OffsetRule,
  ): void;
  /** Resolves once every offset given so far is durable. */
  persistOffsets(): Promise<void>;
  /** The message whose record begins at this position of the log; `undefined`: none does. */
  findMessage(commitLogOffset: number): Promise<StoredMessageView | undefined>;
  /** Of a queue that never had a message, one that does not exist too, everything is 0. */
  queueEnds(topic: string, queueId: number): Promise<QueueEnds>;
  /** The first offset with a store timestamp at or after (`lower`), or the last at or before (`upper`) the given one; 0 where there is none. */
  searchOffset(topic: string, queueId: number, timestamp: number, boundary: "lower" | "upper"): Promise<number>;
}

/** What only a broker in the same process can do. */
export interface EmbeddedBrokerPort extends BrokerPort {
  readonly dedup: DedupPort;
  /** Stores before it returns: in the transaction that is open on the connection, or in one of its own after all that is pending. */
  appendSync(request: AppendRequest): void;
  /** Whether the connection is in a transaction that is not the broker's. */
  readonly isInTransaction: boolean;
}
