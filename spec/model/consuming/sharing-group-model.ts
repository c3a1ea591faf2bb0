import type { AllocateMessageQueueStrategy } from "../../../lib/index.js";
import {
  type DeadLettered,
  EXPECTED_WITHIN_MS,
  type ExpectedWithinMs,
  type GroupCounts,
  type GroupModel,
  type GroupSurroundings,
  type Retried,
} from "./group-model.js";
import type { GroupQueueModel, QueueSurroundings } from "./group-queue-model.js";
import type { Hold, ModelMember } from "./hold.js";
import { type SentMessage, TOPIC } from "./message-book.js";
import type { ProcessTrust } from "./process-trust.js";

/** A group whose members share its queues. Of every sharing it is told by being the group's strategy. */
export abstract class SharingGroupModel<Q extends GroupQueueModel = GroupQueueModel> implements GroupModel {
  readonly group: string;
  protected readonly surroundings: GroupSurroundings;
  readonly #queues = new Map<string, Q>();
  readonly #members = new Map<string, ModelMember>();
  readonly #dead = new Set<SentMessage>();

  constructor(group: string, surroundings: GroupSurroundings) {
    this.group = group;
    this.surroundings = surroundings;
  }

  get dead(): readonly SentMessage[] {
    return [...this.#dead];
  }

  get counts(): GroupCounts {
    const counts = { deliveries: 0, repeats: 0, ignoredResults: 0, dead: this.#dead.size };
    for (const { deliveries, repeats, ignoredResults } of this.#queues.values()) {
      counts.deliveries += deliveries;
      counts.repeats += repeats;
      counts.ignoredResults += ignoredResults;
    }
    return counts;
  }

  abstract readonly isAttemptStored: boolean;

  abstract retried(event: Retried): void;

  protected abstract createQueue(name: string, surroundings: QueueSurroundings): Q;

  /** Failures of which nothing has become yet. */
  protected undecided(): readonly string[] {
    return [];
  }

  /** What a process that was killed thinks it has matters no more. */
  strategyFor(process: ProcessTrust): AllocateMessageQueueStrategy {
    return (...round) => (process.isGone ? [] : this.#share(...round));
  }

  readonly #share: AllocateMessageQueueStrategy = (group, clientId, queues, clientIds) => {
    const topic = queues[0]?.topic ?? "";
    if (group !== this.group) this.broken(`shares queues of group ${group}`);
    if (clientIds.some((id, index) => index > 0 && id <= (clientIds[index - 1] as string)))
      this.broken(`${clientIds} are not in order`);
    if (queues.some(({ queueId }, index) => queueId !== index)) this.broken(`queues of ${topic} are not in order`);
    const share = queues.filter((_, index) => clientIds[ownerOf(index, queues.length, clientIds.length)] === clientId);
    this.#shared(clientId, topic, new Set(share.map(({ queueId }) => `${topic} ${queueId}`)));
    return share;
  };

  joined(member: ModelMember): void {
    this.#members.set(member.clientId, member);
  }

  renewed({ clientId, holds }: ModelMember): void {
    const ofTopic = new Set([...holds.keys()].filter((name) => name.startsWith(`${TOPIC} `)));
    this.#shared(clientId, TOPIC, new Set());
    this.#shared(clientId, TOPIC, ofTopic);
  }

  unsubscribed({ clientId }: ModelMember): void {
    this.#shared(clientId, TOPIC, new Set());
  }

  dropped({ holds }: ModelMember): void {
    for (const [name, hold] of holds) this.queueOf(name).over(hold);
  }

  left(member: ModelMember): void {
    this.dropped(member);
    member.holds.clear();
    if (this.#members.get(member.clientId) === member) this.#members.delete(member.clientId);
  }

  killed(process: ProcessTrust, storedIn: (queue: string) => number): void {
    for (const member of [...this.#members.values()]) if (member.process === process) this.left(member);
    for (const queue of this.#queues.values()) queue.killed(process, storedIn(queue.name));
  }

  abstract deadLettered(event: DeadLettered): void;

  progressed(queue: string, nextOffset: number): void {
    this.queueOf(queue).progressed(nextOffset);
  }

  /** What is surely done is stored by then. */
  expectWithin(ms: ExpectedWithinMs): () => void {
    const queues = ms === EXPECTED_WITHIN_MS.own ? this.queues : [];
    const checks = queues.map((queue) => {
      const done = queue.surelyDone();
      return done === undefined ? undefined : () => queue.checkStored(done);
    });
    return () => {
      for (const check of checks) check?.();
    };
  }

  undelivered(): readonly string[] {
    if (this.#members.size === 0) return [];
    return [...this.#named((queue) => queue.undelivered()), ...this.undecided()];
  }

  unfinished(): readonly string[] {
    return [...this.#named((queue) => queue.unfinished()), ...this.undecided()];
  }

  protected get queues(): readonly Q[] {
    return [...this.#queues.values()];
  }

  /** What the member has of a queue; over, where it has none. */
  protected holdOf(member: ModelMember, name: string): Hold {
    const known = member.holds.get(name);
    // One that was lost has come back, as the queue is in its share.
    const hold = known?.isOver === false ? known : this.queueOf(name).createHold(member);
    if (known === undefined) hold.isOver = true;
    else member.holds.set(name, hold);
    return hold;
  }

  protected queueOf(name: string): Q {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      const { machine, book } = this.surroundings;
      const [topic, id] = name.split(" ");
      const queueId = topic === TOPIC ? Number(id) : undefined;
      queue = this.createQueue(name, { machine, book, queueId, broken: (rule) => this.broken(rule) });
      this.#queues.set(name, queue);
    }
    return queue;
  }

  protected broken(rule: string): void {
    this.surroundings.broken(`${this.group}: ${rule}`);
  }

  protected died(message: SentMessage): void {
    if (this.#dead.has(message)) this.broken(`${message.name} died twice`);
    this.#dead.add(message);
  }

  /** The lowest offset of each queue that is, in words. */
  #named(lowestOf: (queue: Q) => number | undefined): readonly string[] {
    return this.queues.flatMap((queue) => {
      const lowest = lowestOf(queue);
      return lowest === undefined ? [] : [`${this.group}: ${queue.name} at ${lowest}`];
    });
  }

  #shared(clientId: string, topic: string, share: ReadonlySet<string>): void {
    this.surroundings.shared(clientId);
    const member = this.#members.get(clientId);
    if (member === undefined) {
      this.broken(`${clientId} gets a share, who is no member`);
      return;
    }
    const { holds } = member;
    for (const [name, hold] of holds) {
      if (share.has(name) || !name.startsWith(`${topic} `)) continue;
      holds.delete(name);
      this.queueOf(name).over(hold);
    }
    for (const name of share) if (!holds.has(name)) holds.set(name, this.queueOf(name).createHold(member));
  }
}

/** In runs of neighbours, the first of them one longer where it does not come out even. */
function ownerOf(index: number, queues: number, members: number): number {
  const size = Math.floor(queues / members);
  const longer = queues % members;
  const inLonger = longer * (size + 1);
  return index < inLonger ? Math.floor(index / (size + 1)) : longer + Math.floor((index - inLonger) / size);
}
