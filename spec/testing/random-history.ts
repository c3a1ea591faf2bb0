import type { GoneClient, HistoryEvent, HistoryRules, MessageState, StoredOffset } from "../../lib/testing/index.js";
import { type Chance, seededChance } from "../../lib/time/chance.js";

/** A history with everything that may happen, and what holds for it. */
export interface RandomHistory {
  readonly history: readonly HistoryEvent[];
  readonly rules: HistoryRules & { readonly gone: readonly GoneClient[]; readonly offsets: readonly StoredOffset[] };
}

/** One consumer of the history: a group, or a client of a broadcasting one. */
interface Member {
  readonly group: string;
  readonly clients: readonly string[];
  readonly progress: Map<string, number>;
  readonly work: Work[];
}

interface Work {
  readonly stored: HistoryEvent;
  attempt: number;
  dueAt: number;
  client: string | undefined;
  isDone: boolean;
}

const TOPICS = ["orders", "jobs"] as const;
const QUEUES = 2;
const MAX_ATTEMPTS = 3;

/** In topic `orders` messages are consumed in order and never put off; in both they are consumed once. */
export function randomHistory(seed: number, messages: number): RandomHistory {
  const chance = seededChance(seed);
  const run = new Simulation(chance);
  let left = messages;
  while (left > 0 || run.isBusy) {
    if (left > 0 && chance.nextInt(3) === 0) {
      run.send(messages - left);
      left -= 1;
    } else run.step();
  }
  const rules = {
    ordered: ["orders"],
    duplicates: "forbidden",
    broadcasting: ["news"],
    lateAfterMs: 1_000_000,
  } as const;
  return { history: run.history, rules: { ...rules, gone: run.gone, offsets: run.offsets } };
}

class Simulation {
  readonly history: HistoryEvent[] = [];
  readonly gone: GoneClient[] = [];
  readonly offsets: StoredOffset[] = [];
  readonly #chance: Chance;
  readonly #next = new Map<string, number>();
  readonly #half: HistoryEvent[] = [];
  readonly #members: readonly Member[] = [
    { group: "billing", clients: ["b1", "b2", "b3"], progress: new Map(), work: [] },
    { group: "news", clients: ["n1"], progress: new Map(), work: [] },
    { group: "news", clients: ["n2"], progress: new Map(), work: [] },
  ];
  #now = 1_000;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  get isBusy(): boolean {
    return this.#half.length > 0 || this.#members.some(({ work }) => work.some(({ isDone }) => !isDone));
  }

  send(number: number): void {
    const topic = this.#pick(TOPICS);
    const event = this.#event("stored", { topic, messageId: `m${number}`, queueId: this.#chance.nextInt(QUEUES) });
    if (this.#chance.nextInt(4) === 0) this.#half.push(this.#tell(event, { state: "half", producerGroup: "senders" }));
    else this.#store(event, "stored");
  }

  step(): void {
    this.#now += this.#chance.nextInt(3);
    if (this.#half.length > 0 && this.#chance.nextInt(4) === 0) this.#decide();
    const member = this.#pick(this.#members);
    const ready = member.work.filter((work) => !work.isDone && this.#mayRun(member, work));
    if (ready.length === 0) return;
    const work = this.#pick(ready);
    if (work.client === undefined) this.#deliver(member, work);
    else this.#finish(member, work, work.client);
  }

  #decide(): void {
    const half = this.#half[0] as HistoryEvent;
    const decision = this.#pick(["committed", "rolled-back", "checked"] as const);
    if (decision === "committed") this.#store(half, "committed");
    else this.#tell(half, { state: decision });
    if (decision !== "checked") this.#half.shift();
  }

  #store(event: HistoryEvent, state: MessageState): void {
    const queue = `${event.topic} ${event.queueId}`;
    const queueOffset = this.#next.get(queue) ?? 0;
    this.#next.set(queue, queueOffset + 1);
    const stored = this.#tell(event, { state, queueOffset });
    for (const { work } of this.#members) work.push({ stored, attempt: 1, dueAt: 0, client: undefined, isDone: false });
  }

  #mayRun({ work }: Member, wanted: Work): boolean {
    const { topic, queueId } = wanted.stored;
    if (wanted.client === undefined && wanted.dueAt > this.#now) return false;
    if (topic !== "orders") return true;
    return (
      wanted === work.find(({ stored, isDone }) => !isDone && stored.topic === topic && stored.queueId === queueId)
    );
  }

  #deliver(member: Member, work: Work): void {
    work.client = this.#pick(member.clients);
    this.#tellOf(member, work, work.client, { state: "delivered" });
  }

  #finish(member: Member, work: Work, client: string): void {
    const end = this.#chance.nextInt(8);
    const isOrdered = work.stored.topic === "orders";
    if (end === 0 && member.group === "billing") {
      // Its process ends, and what it had in hand goes to others as the same attempt.
      this.gone.push({ clientId: client, at: this.#now });
      for (const other of member.work) if (other.client === client) other.client = undefined;
      return;
    }
    work.client = undefined;
    if (end === 1 && !isOrdered && work.attempt < MAX_ATTEMPTS) {
      work.dueAt = this.#now + this.#chance.nextInt(20);
      this.#tellOf(member, work, client, { state: "retried", dueAt: work.dueAt });
      work.attempt += 1;
      return;
    }
    const state = end === 2 || work.attempt === MAX_ATTEMPTS ? "dead-lettered" : end === 3 ? "expired" : "consumed";
    this.#tellOf(member, work, client, { state });
    work.isDone = true;
    this.#storeOffset(member, work, client);
  }

  #storeOffset({ group, work }: Member, { stored: { topic, queueId } }: Work, client: string): void {
    const lane = work.filter(({ stored }) => stored.topic === topic && stored.queueId === queueId);
    const nextOffset = lane.find(({ isDone }) => !isDone)?.stored.queueOffset ?? lane.length;
    const clientId = group === "news" ? client : undefined;
    this.offsets.push({ group, clientId, topic, queueId, nextOffset, at: this.#now });
  }

  #tellOf({ group }: Member, { stored, attempt }: Work, clientId: string, more: Partial<HistoryEvent>): void {
    // A retry comes from another queue.
    const place = attempt === 1 ? {} : { queueId: 0, queueOffset: 0 };
    const event = { ...stored, producerGroup: undefined, ...place };
    this.#tell(event, { group, clientId, deliveryAttempt: attempt, ...more });
  }

  #event(state: MessageState, more: Pick<HistoryEvent, "topic" | "messageId" | "queueId">): HistoryEvent {
    return { at: this.#now, state, queueOffset: 0, tag: undefined, keys: [], ...more };
  }

  #tell(event: HistoryEvent, more: Partial<HistoryEvent>): HistoryEvent {
    const told = { ...event, at: this.#now, ...more };
    this.history.push(told);
    return told;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#chance.nextInt(items.length)] as T;
  }
}
