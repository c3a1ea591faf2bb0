import type { ReceiptHandle } from "../message/receipt-handle.js";
import type { Store } from "../store/store.js";
import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { WithdrawableWrite } from "./broker-port.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import type { DeadLetters } from "./dead-letters.js";
import type { PutOffRows } from "./due-rows.js";
import type { Groups } from "./groups.js";
import type { LogAppender } from "./log-appender.js";
import type { MessageScan } from "./message-scan.js";
import type { Write } from "./pending-writes.js";
import { PopCheckpoints } from "./pop-checkpoints.js";
import { PopKeys } from "./pop-keys.js";
import { PopMessage, type PopRequest } from "./pop-message.js";
import { PopOffsets } from "./pop-offsets.js";
import { isCurrent, PopOrders } from "./pop-orders.js";
import { PopReceipts, type ReceiptRequest } from "./pop-receipts.js";
import { PopRevive } from "./pop-revive.js";
import { type PopLookObserver, PopWrite } from "./pop-write.js";
import type { Profile } from "./profile.js";
import type { QueueStates } from "./queue-states.js";
import type { RetryTopics } from "./retry-topics.js";
import type { SentBack } from "./sent-back.js";
import type { Topics } from "./topics.js";
import { WorkWrite } from "./work-write.js";

/** How long a pop or an acknowledgement waits for another connection, at least. */
const BUSY_WAIT_MS = 3_000;
/** An acknowledgement takes so much of a flush: most find their checkpoint in memory. */
const RECEIPT_COST = 1;

export interface PopsParts {
  readonly profile: Profile;
  readonly brokerName: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly steady: Clock;
  readonly chance: Chance;
  readonly events: EventHub;
  readonly groups: Groups;
  readonly topics: Topics;
  readonly retryTopics: RetryTopics;
  readonly queues: QueueStates;
  readonly scan: MessageScan;
  readonly sentBack: SentBack;
  readonly offsets: ConsumeOffsets<string>;
  readonly appender: LogAppender;
  readonly deadLetters: DeadLetters;
  readonly enqueue: (write: Write) => void;
  readonly withdraw: (write: Write) => boolean;
}

/** Everything in an engine that has to do with popping. */
export class Pops {
  readonly message: PopMessage;
  readonly revive: PopRevive;
  readonly #parts: PopsParts;
  readonly #checkpoints: PopCheckpoints;
  readonly #orders: PopOrders;
  readonly #keys: PopKeys;
  readonly #startOffsets: PopOffsets;
  readonly #receipts: PopReceipts;

  constructor(parts: PopsParts) {
    const { store, queues, offsets, chance } = parts;
    this.#parts = parts;
    const checkpoints = new PopCheckpoints(store);
    const orders = new PopOrders(store);
    const keys = new PopKeys(store, chance);
    const startOffsets = new PopOffsets(store, queues, offsets);
    this.message = new PopMessage({ ...parts, checkpoints, orders, keys, startOffsets });
    this.revive = new PopRevive({ ...parts, checkpoints });
    this.#receipts = new PopReceipts({ ...parts, checkpoints, orders, keys });
    this.#checkpoints = checkpoints;
    this.#orders = orders;
    this.#keys = keys;
    this.#startOffsets = startOffsets;
  }

  /** Looks for messages with the next group commit. */
  look(request: PopRequest, observer: PopLookObserver): WithdrawableWrite {
    const { clock, steady, enqueue, withdraw } = this.#parts;
    const deadline = steady.now() + Math.max(request.awaitMs, BUSY_WAIT_MS);
    const write = new PopWrite(request, observer, {
      ...{ popMessage: this.message, deadline, now: () => clock.now(), withdraw },
    });
    enqueue(write);
    return write;
  }

  /** Resolves, once that is durable, with whether it has freed a queue for its group. */
  acknowledge(request: ReceiptRequest): Promise<boolean> {
    return this.#write((now) => this.#receipts.acknowledge(request, now));
  }

  /** Resolves with the message's new handle once that is durable. */
  changeInvisible(request: ReceiptRequest, invisibleMs: number): Promise<ReceiptHandle> {
    return this.#write((now) => this.#receipts.changeInvisible(request, invisibleMs, now));
  }

  /** Inside a read: how many messages of each queue, by its key, the group has popped and has not acknowledged. */
  countInHand(group: string): ReadonlyMap<number, number> {
    const { store, clock, offsets } = this.#parts;
    const counts = new Map(store.pops.countInHand(group));
    for (const order of store.popOrders.listOfGroup(group)) {
      const { queueKey, messages } = order;
      const place = store.queues.findByKey(queueKey);
      const progress = place && offsets.find(group, place.topic, place.queueId);
      if (!isCurrent(order, progress)) continue;
      const inHand = messages.filter((message) => !message.isAcknowledged && message.visibleAt > clock.now());
      counts.set(queueKey, (counts.get(queueKey) ?? 0) + inHand.length);
    }
    return counts;
  }

  get putOffRows(): readonly PutOffRows[] {
    return [this.#checkpoints, this.#orders];
  }

  /** Inside a transaction: what was acknowledged in it. */
  write(): void {
    this.#checkpoints.write();
    this.#orders.write();
  }

  committed(): void {
    this.revive.committed();
  }

  /** What is stored may be another, and what was collected is not stored. */
  drop(): void {
    this.#checkpoints.drop();
    this.#orders.drop();
    this.#keys.drop();
    this.#startOffsets.drop();
    this.revive.drop();
  }

  #write<T>(work: (now: number) => T): Promise<T> {
    const { clock, steady, enqueue } = this.#parts;
    return new Promise((resolve, reject) => {
      const deadline = steady.now() + BUSY_WAIT_MS;
      enqueue(new WorkWrite(() => work(clock.now()), deadline, resolve, reject, { cost: RECEIPT_COST }));
    });
  }
}
