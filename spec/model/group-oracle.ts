import { type AllocateMessageQueueStrategy, allocateAveragely } from "../../lib/index.js";

/** A queue in the hands of one member; a later one in the same hands is another grant. */
interface Grant {
  readonly clientId: string;
  readonly queueId: number;
  /** The lowest offset that was not acknowledged when the queue changed hands. */
  readonly from: number;
  /** What the listener got in this grant; failed messages are taken out again. */
  readonly delivered: Set<number>;
  readonly acknowledged: Set<number>;
  /** Everything below is acknowledged, in this grant or before it. */
  lowest: number;
  isOver: boolean;
}

/** One call of a listener. */
export interface ObservedDelivery {
  readonly grant: Grant;
  readonly offset: number;
}

interface QueueHistory {
  grant: Grant | undefined;
  /** Everything below is acknowledged. What lies above counts for the grant alone in which it was acknowledged. */
  lowest: number;
}

/**
 * Watches a group from outside and says what a member may get.
 *
 * It is told of every sharing of the queues by being the group's strategy, and of deliveries and results by its listeners. A message is acknowledged when its
 * listener returned success while the queue was still in the same hands. A new owner begins at the lowest offset that is not acknowledged: so what repeats was in flight
 * when the queue changed hands, or lies behind such a message.
 */
export class GroupOracle {
  readonly violations: string[] = [];
  repeats = 0;
  ignoredResults = 0;
  readonly #queues: readonly QueueHistory[];
  readonly #held = new Map<string, Map<number, Grant>>();
  readonly #everDelivered: ReadonlySet<number>[];

  constructor(queueCount: number) {
    this.#queues = Array.from({ length: queueCount }, () => ({ grant: undefined, lowest: 0 }));
    this.#everDelivered = this.#queues.map(() => new Set<number>());
  }

  /** Messages acknowledged, each counted once. */
  get consumed(): number {
    return this.#queues.reduce((sum, { lowest }) => sum + lowest, 0);
  }

  readonly strategy: AllocateMessageQueueStrategy = (group, clientId, queues, clientIds) => {
    const share = allocateAveragely(group, clientId, queues, clientIds);
    this.#shared(clientId, new Set(share.map(({ queueId }) => queueId)));
    return share;
  };

  /** The member dropped its queues. */
  left(clientId: string): void {
    this.#shared(clientId, new Set());
    this.#held.delete(clientId);
  }

  delivered(clientId: string, queueId: number, offset: number): ObservedDelivery {
    const queue = this.#queue(queueId);
    const grant = this.#held.get(clientId)?.get(queueId);
    const where = `queue ${queueId} offset ${offset} to ${clientId}`;
    if (grant === undefined || grant !== queue.grant) {
      this.violations.push(`${where}: the queue is not its own`);
      return { grant: { ...newGrant(clientId, queueId, 0), isOver: true }, offset };
    }
    if (offset < grant.from)
      this.violations.push(`${where}: was acknowledged before it took the queue at ${grant.from}`);
    if (grant.delivered.has(offset)) this.violations.push(`${where}: twice though the queue stayed`);
    const ever = this.#everDelivered[queueId] as Set<number>;
    if (ever.has(offset)) this.repeats += 1;
    ever.add(offset);
    grant.delivered.add(offset);
    return { grant, offset };
  }

  succeeded({ grant, offset }: ObservedDelivery): void {
    if (grant.isOver) {
      this.ignoredResults += 1;
      return;
    }
    const queue = this.#queue(grant.queueId);
    grant.acknowledged.add(offset);
    while (grant.acknowledged.has(grant.lowest)) grant.lowest += 1;
    queue.lowest = Math.max(queue.lowest, grant.lowest);
  }

  /** It comes again to the same member. */
  failed({ grant, offset }: ObservedDelivery): void {
    grant.delivered.delete(offset);
  }

  /** The offset that the broker keeps must never pass a message that nobody acknowledged. */
  checkOffset(queueId: number, consumerOffset: number): void {
    const { lowest } = this.#queue(queueId);
    if (consumerOffset > lowest)
      this.violations.push(
        `queue ${queueId}: the group's offset is ${consumerOffset}, but ${lowest} is not acknowledged`,
      );
  }

  /** Once nothing is under way. */
  checkDrained(queueId: number, consumerOffset: number, maxOffset: number): void {
    const { lowest } = this.#queue(queueId);
    if (lowest !== maxOffset) this.violations.push(`queue ${queueId}: ${lowest} of ${maxOffset} was never consumed`);
    if (consumerOffset !== maxOffset)
      this.violations.push(`queue ${queueId}: the group's offset is ${consumerOffset} instead of ${maxOffset}`);
  }

  #shared(clientId: string, share: ReadonlySet<number>): void {
    const held = this.#held.get(clientId) ?? new Map<number, Grant>();
    this.#held.set(clientId, held);
    for (const [queueId, grant] of held) {
      if (share.has(queueId)) continue;
      grant.isOver = true;
      held.delete(queueId);
    }
    for (const queueId of share) {
      if (held.has(queueId)) continue;
      const queue = this.#queue(queueId);
      const grant = newGrant(clientId, queueId, queue.lowest);
      held.set(queueId, grant);
      queue.grant = grant;
    }
  }

  #queue(queueId: number): QueueHistory {
    return this.#queues[queueId] as QueueHistory;
  }
}

function newGrant(clientId: string, queueId: number, from: number): Grant {
  return { clientId, queueId, from, lowest: from, delivered: new Set(), acknowledged: new Set(), isOver: false };
}
