import { type AllocateMessageQueueStrategy, allocateAveragely, type MessageQueue } from "../../lib/index.js";
import { DELAY_LEVELS_MS } from "../../lib/time/delay-levels.js";

/** A queue in the hands of one member; a later one in the same hands is another grant. */
interface Grant {
  readonly queue: string;
  /** The lowest offset that was not acknowledged when the queue changed hands. */
  readonly from: number;
  /** What the listener got in this grant: nothing twice. */
  readonly delivered: Set<number>;
  readonly acknowledged: Set<number>;
  /** Everything below is acknowledged, in this grant or before it. */
  lowest: number;
  isOver: boolean;
}

/** A message as its listener gets it. */
export interface DeliveredMessage {
  readonly messageId: string;
  readonly queueOffset: number;
  readonly deliveryAttempt: number;
}

/** One call of a listener. */
export interface ObservedDelivery extends DeliveredMessage {
  readonly grant: Grant;
}

interface FailedDelivery {
  readonly delivery: ObservedDelivery;
  readonly waitMs: number | undefined;
}

/** What is sent back because it took too long waits for 10 s, whatever came before. */
const TIMED_OUT_MS = 10_000;

interface QueueHistory {
  grant: Grant | undefined;
  /** Everything below is acknowledged. What succeeded above counts for the grant alone in which it did. */
  lowest: number;
  /** What the group sent back is acknowledged for good. */
  readonly sentBack: Set<number>;
}

interface MessageHistory {
  /** Where the copy of each attempt lies: the first in its topic, the others in the retry topic. */
  readonly copies: string[];
  /** Failed deliveries of the last attempt, of which one may have been stored. */
  failed: FailedDelivery[];
  /** How many failures were stored: the attempt that comes next is one more. */
  retries: number;
  dueAt: number;
  /** How often a success counted. */
  successes: number;
}

/**
 * Watches a group from outside and says what a member may get.
 *
 * It is told of every sharing of the queues by being the group's strategy, of deliveries and results by its listeners, and of stored failures by the broker's
 * events. A message is acknowledged for good when it was sent back, and for as long as the queue stays in the same hands when its listener returned success in
 * these. A new owner begins at the lowest offset that is not acknowledged: so what succeeds twice was in flight when its queue changed hands, or lies behind such
 * a message. Each failure that was stored makes exactly one copy, at its time, and that is the only one from then on.
 */
export class GroupOracle {
  readonly violations: string[] = [];
  repeats = 0;
  ignoredResults = 0;
  retries = 0;
  readonly #queues = new Map<string, QueueHistory>();
  readonly #held = new Map<string, Map<string, Grant>>();
  readonly #messages = new Map<string, MessageHistory>();

  /** Messages that succeeded, each counted once. */
  get consumed(): number {
    return [...this.#messages.values()].filter(({ successes }) => successes > 0).length;
  }

  readonly strategy: AllocateMessageQueueStrategy = (group, clientId, queues, clientIds) => {
    const share = allocateAveragely(group, clientId, queues, clientIds);
    const isOfTopic = (queue: string): boolean => queue.startsWith(`${queues[0]?.topic} `);
    this.#shared(clientId, new Set(share.map(nameOf)), isOfTopic);
    return share;
  };

  /** The member dropped its queues. */
  left(clientId: string): void {
    this.#shared(clientId, new Set(), () => true);
    this.#held.delete(clientId);
  }

  delivered(clientId: string, messageQueue: MessageQueue, message: DeliveredMessage, now: number): ObservedDelivery {
    const { messageId, queueOffset, deliveryAttempt } = message;
    const name = nameOf(messageQueue);
    const queue = this.#queue(name);
    const grant = this.#held.get(clientId)?.get(name);
    const broken = (rule: string): void => void this.violations.push(`${name} ${queueOffset} to ${clientId}: ${rule}`);
    if (grant === undefined || grant !== queue.grant) {
      broken("the queue is not its own");
      return { messageId, queueOffset, deliveryAttempt, grant: { ...newGrant(name, 0), isOver: true } };
    }
    if (queueOffset < grant.from) broken(`was acknowledged before it took the queue at ${grant.from}`);
    if (grant.delivered.has(queueOffset)) broken("twice though the queue stayed");
    if (queue.sentBack.has(queueOffset)) broken("was sent back");
    grant.delivered.add(queueOffset);

    const history = this.#message(messageId);
    if (deliveryAttempt !== history.retries + 1)
      broken(`is attempt ${deliveryAttempt} after ${history.retries} failures that were stored`);
    if (now < history.dueAt) broken(`${history.dueAt - now} ms too early`);
    const copy = `${name} ${queueOffset}`;
    const known = history.copies[deliveryAttempt - 1];
    history.copies[deliveryAttempt - 1] = copy;
    if (known === copy) this.repeats += 1;
    else if (known !== undefined) broken(`another copy of it was delivered as ${known}`);
    return { messageId, queueOffset, deliveryAttempt, grant };
  }

  succeeded({ grant, queueOffset, messageId }: ObservedDelivery): void {
    if (grant.isOver) {
      this.ignoredResults += 1;
      return;
    }
    this.#message(messageId).successes += 1;
    grant.acknowledged.add(queueOffset);
    this.#advance(grant);
  }

  /** It is sent back, unless its queue is taken away before that is stored. */
  failed(delivery: ObservedDelivery): void {
    this.#failed(delivery, DELAY_LEVELS_MS[delivery.deliveryAttempt + 1]);
  }

  /** The same; what its listener returns later counts no more. */
  timedOut(delivery: ObservedDelivery): void {
    this.#failed(delivery, TIMED_OUT_MS);
  }

  /** The broker says that it stored a failure. */
  retried(messageId: string, attempt: number, dueAt: number, now: number): void {
    this.retries += 1;
    const history = this.#message(messageId);
    const { failed } = history;
    const stored = failed.find(({ delivery }) => !delivery.grant.isOver);
    const broken = (rule: string): void => void this.violations.push(`${messageId} retried after ${attempt}: ${rule}`);
    history.retries += 1;
    history.failed = [];
    history.dueAt = dueAt;
    if (attempt !== history.retries) broken(`it has failed ${history.retries} times`);
    if (stored === undefined) {
      broken("no delivery has failed whose queue stayed");
      return;
    }
    if (dueAt - now !== stored.waitMs) broken(`waits ${dueAt - now} ms instead of ${stored.waitMs}`);
    const { grant, queueOffset } = stored.delivery;
    this.#queue(grant.queue).sentBack.add(queueOffset);
    this.#advance(grant);
  }

  /** The offset that the broker keeps must never pass a message that nobody acknowledged. */
  checkOffset(messageQueue: MessageQueue, consumerOffset: number): void {
    const name = nameOf(messageQueue);
    const { lowest } = this.#queue(name);
    if (consumerOffset > lowest)
      this.violations.push(`${name}: the group's offset is ${consumerOffset}, but ${lowest} is not acknowledged`);
  }

  /** Once nothing is under way. */
  checkDrained(messageQueue: MessageQueue, consumerOffset: number, maxOffset: number): void {
    const name = nameOf(messageQueue);
    const { lowest } = this.#queue(name);
    if (lowest !== maxOffset) this.violations.push(`${name}: ${lowest} of ${maxOffset} was never consumed`);
    if (consumerOffset !== maxOffset)
      this.violations.push(`${name}: the group's offset is ${consumerOffset} instead of ${maxOffset}`);
  }

  #failed(delivery: ObservedDelivery, waitMs: number | undefined): void {
    if (delivery.grant.isOver) this.ignoredResults += 1;
    else this.#message(delivery.messageId).failed.push({ delivery, waitMs });
  }

  #advance(grant: Grant): void {
    const queue = this.#queue(grant.queue);
    while (grant.acknowledged.has(grant.lowest) || queue.sentBack.has(grant.lowest)) grant.lowest += 1;
    queue.lowest = Math.max(queue.lowest, grant.lowest);
  }

  #shared(clientId: string, share: ReadonlySet<string>, isOfTopic: (queue: string) => boolean): void {
    const held = this.#held.get(clientId) ?? new Map<string, Grant>();
    this.#held.set(clientId, held);
    for (const [name, grant] of held) {
      if (share.has(name) || !isOfTopic(name)) continue;
      grant.isOver = true;
      held.delete(name);
    }
    for (const name of share) {
      if (held.has(name)) continue;
      const queue = this.#queue(name);
      const grant = newGrant(name, queue.lowest);
      held.set(name, grant);
      queue.grant = grant;
    }
  }

  #queue(name: string): QueueHistory {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { grant: undefined, lowest: 0, sentBack: new Set() };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #message(messageId: string): MessageHistory {
    let history = this.#messages.get(messageId);
    if (history === undefined) {
      history = { copies: [], failed: [], retries: 0, dueAt: 0, successes: 0 };
      this.#messages.set(messageId, history);
    }
    return history;
  }
}

function nameOf({ topic, queueId }: MessageQueue): string {
  return `${topic} ${queueId}`;
}

function newGrant(queue: string, from: number): Grant {
  return { queue, from, lowest: from, delivered: new Set(), acknowledged: new Set(), isOver: false };
}
