import type { ConsumeFromWhere } from "../../lib/index.js";

const DAY = 24 * 60 * 60 * 1_000;
/** Progress that a kill leaves may be so old. */
const STORED_WITHIN_MS = 50;
/** Away for less, an instance is known; … */
const KEPT_MS = 30 * DAY;
/** … away for so long, it is not, when another one was there for some days. */
const FORGOTTEN_MS = 34 * DAY;

/** Where an instance begins in a queue: what was on its way to the store then may count or not. Its first message tells. */
interface StartRange {
  readonly earliest: number;
  /** Infinite while it starts. */
  latest: number;
}

/** While an instance has a queue. */
interface Hold {
  readonly delivered: Set<number>;
  /** Acknowledged, or given up. */
  readonly done: Set<number>;
}

interface HeardQueue {
  readonly firstTakenAt: number;
  start: StartRange;
  /** Everything below that is of interest is done. What lies above counts in the hold alone in which it was done. */
  from: number;
  hold: Hold | undefined;
}

interface KnownInstance {
  readonly key: string;
  readonly tags: ReadonlySet<string> | undefined;
  readonly queues: Map<number, HeardQueue>;
  /** Since its start has succeeded. */
  isThere: boolean;
  /** `undefined` until its first start has succeeded. */
  lastThere: number | undefined;
}

interface SentMessage {
  readonly tag: string;
  readonly sentAt: number;
}

/** A message in the hands of a listener. */
export interface HeardMessage {
  readonly hold: Hold;
  readonly offset: number;
}

/** An instance and the queue in which it has progress, as a store has it. */
export interface StoredProgress {
  readonly key: string;
  readonly queueId: number;
  readonly nextOffset: number;
}

/**
 * Knows what each instance of broadcasting groups must have heard, by the name under which its progress is kept.
 *
 * It is told of every message before it is sent, of every start, end and kill, and of every delivery and its end. An instance that comes back begins at its
 * lowest message that is not done: so what repeats was in a listener's hands when it left, lies behind such a message, or was done after its progress
 * was stored for the last time before it was killed.
 */
export class BroadcastingOracle {
  readonly violations: string[] = [];
  repeats = 0;
  ignoredResults = 0;
  forgotten = 0;
  /** By queue, in the order of their offsets. */
  readonly #log: SentMessage[][];
  readonly #stored: number[];
  readonly #instances = new Map<string, KnownInstance>();
  readonly #everHeard = new Set<string>();

  constructor(queueCount: number) {
    this.#log = Array.from({ length: queueCount }, () => []);
    this.#stored = this.#log.map(() => 0);
  }

  get queueCount(): number {
    return this.#log.length;
  }

  /** Messages that instances heard, each counted once for each of them. */
  get heard(): number {
    return this.#everHeard.size;
  }

  /** Names under which there is progress. */
  get known(): readonly string[] {
    return [...this.#instances.keys()];
  }

  sent(queueId: number, tag: string, now: number): void {
    this.#log[queueId]?.push({ tag, sentAt: now });
  }

  stored(queueId: number, offset: number): void {
    if (offset !== this.#stored[queueId]) this.violations.push(`queue ${queueId}: ${offset} was stored out of turn`);
    this.#stored[queueId] = offset + 1;
  }

  /** The topic gets one more queue; there is nothing in it that anybody could have missed. */
  grows(now: number): void {
    const queueId = this.#log.push([]) - 1;
    this.#stored.push(0);
    for (const instance of this.#instances.values()) {
      const isHearing = [...instance.queues.values()].some(({ hold }) => hold !== undefined);
      if (isHearing) instance.queues.set(queueId, newQueue({ earliest: 0, latest: 0 }, now));
    }
  }

  /** An instance is about to take its queues; call what is returned when it has. @param tags - default: all */
  takes(key: string, where: ConsumeFromWhere, tags: ReadonlySet<string> | undefined, now: number): () => void {
    const unknown: KnownInstance = { key, tags, queues: new Map(), isThere: false, lastThere: undefined };
    const instance = this.#instances.get(key) ?? unknown;
    this.#instances.set(key, instance);
    const starting: StartRange[] = [];
    for (let queueId = 0; queueId < this.queueCount; queueId += 1) {
      const known = instance.queues.get(queueId);
      if (known === undefined) {
        const start = this.#startIn(queueId, where);
        starting.push(start);
        instance.queues.set(queueId, newQueue(start, now));
      } else {
        known.hold = newHold();
      }
    }
    return () => {
      instance.isThere = true;
      instance.lastThere = now;
      for (const [queueId, { start }] of instance.queues)
        if (starting.includes(start)) start.latest = Math.min(start.latest, this.#logOf(queueId).length);
    };
  }

  /** It has its queues no longer, and its progress is known to the broker. */
  drops(key: string): void {
    const instance = this.#get(key);
    for (const [queueId, queue] of instance.queues) {
      if (!isOpen(queue.start)) queue.from = this.#lowest(instance, queueId, queue);
      queue.hold = undefined;
    }
  }

  leaves(key: string, now: number): void {
    this.drops(key);
    const instance = this.#get(key);
    instance.isThere = false;
    instance.lastThere = now;
  }

  /** The process is killed; this is what its store has. */
  killed(progress: readonly StoredProgress[], now: number): void {
    for (const instance of this.#instances.values()) {
      if (!instance.isThere) continue;
      instance.isThere = false;
      instance.lastThere = now;
      for (const [queueId, queue] of instance.queues) {
        const row = progress.find((stored) => stored.key === instance.key && stored.queueId === queueId);
        queue.hold = undefined;
        if (row !== undefined) {
          queue.from = row.nextOffset;
          queue.start = { earliest: row.nextOffset, latest: row.nextOffset };
        } else {
          if (queue.firstTakenAt + STORED_WITHIN_MS < now)
            this.violations.push(`${instance.key}: its progress in queue ${queueId} was never stored`);
          // It begins anew.
          instance.queues.delete(queueId);
        }
      }
    }
  }

  delivered(key: string, queueId: number, offset: number): HeardMessage {
    const instance = this.#get(key);
    const queue = instance.queues.get(queueId);
    const what = `${key}: queue ${queueId} offset ${offset}`;
    if (queue?.hold === undefined) {
      this.violations.push(`${what} is delivered though it has no queue`);
      return { hold: newHold(), offset };
    }
    const { hold, start } = queue;
    if (!this.#isWanted(instance, queueId, offset)) this.violations.push(`${what} does not pass its filter`);
    if (offset < start.earliest) this.violations.push(`${what} lies before its start`);
    else if (offset < queue.from) this.violations.push(`${what} is delivered again though it was done`);
    if (hold.delivered.has(offset)) this.violations.push(`${what} is delivered twice`);
    if (isOpen(start)) {
      queue.from = Math.min(offset, start.latest);
      queue.start = { earliest: queue.from, latest: queue.from };
    }
    hold.delivered.add(offset);
    const name = `${key} ${queueId} ${offset}`;
    if (this.#everHeard.has(name)) this.repeats += 1;
    this.#everHeard.add(name);
    return { hold, offset };
  }

  /** Acknowledged, or failed and given up. */
  done(key: string, queueId: number, { hold, offset }: HeardMessage): void {
    if (this.#instances.get(key)?.queues.get(queueId)?.hold === hold) hold.done.add(offset);
    else this.ignoredResults += 1;
  }

  /** Stored progress must never pass a message that is not done. */
  checkProgress(progress: readonly StoredProgress[]): void {
    for (const { key, queueId, nextOffset } of progress) {
      const instance = this.#instances.get(key);
      const queue = instance?.queues.get(queueId);
      if (instance === undefined || queue === undefined)
        this.violations.push(`${key}: progress in queue ${queueId}, of which it never heard`);
      else if (nextOffset > this.#lowest(instance, queueId, queue))
        this.violations.push(
          `${key}: its progress in queue ${queueId} is ${nextOffset}, but ${this.#lowest(instance, queueId, queue)} is not done`,
        );
    }
  }

  /** @param stored - the instances that the store knows. */
  checkKnown(stored: ReadonlySet<string>, now: number): void {
    for (const { key, isThere, lastThere } of [...this.#instances.values()]) {
      if (stored.has(key) || lastThere === undefined) continue;
      if (isThere) this.violations.push(`${key}: is there and was forgotten`);
      else if (now - lastThere < KEPT_MS)
        this.violations.push(`${key}: was forgotten after ${(now - lastThere) / DAY} days`);
      this.#instances.delete(key);
      this.forgotten += 1;
    }
  }

  /** Somebody was there for some days. */
  checkForgotten(now: number): void {
    for (const { key, isThere, lastThere = now } of this.#instances.values())
      if (!isThere && now - lastThere > FORGOTTEN_MS)
        this.violations.push(`${key}: is known though it was away for ${(now - lastThere) / DAY} days`);
  }

  /** It may be forgotten from now on. */
  isSomebodyLongAway(now: number): boolean {
    return [...this.#instances.values()].some(({ isThere, lastThere = now }) => !isThere && now - lastThere >= KEPT_MS);
  }

  /** What those that have queues did not hear yet or are still at. */
  *pending(): Generator<string> {
    for (const instance of this.#instances.values()) {
      for (const [queueId, queue] of instance.queues) {
        const lowest = this.#lowest(instance, queueId, queue);
        if (queue.hold !== undefined && lowest < this.#logOf(queueId).length)
          yield `${instance.key}: queue ${queueId} offset ${lowest} of ${this.#logOf(queueId).length} is not done`;
      }
    }
  }

  /** When everybody has heard everything and has left. */
  checkEnd(progress: readonly StoredProgress[]): void {
    const rows = new Map(progress.map(({ key, queueId, nextOffset }) => [`${key} ${queueId}`, nextOffset]));
    for (const key of this.known) {
      for (const [queueId, log] of this.#log.entries()) {
        const nextOffset = rows.get(`${key} ${queueId}`);
        if (nextOffset !== log.length)
          this.violations.push(`${key}: ends with progress ${nextOffset} of ${log.length} in queue ${queueId}`);
      }
    }
  }

  #startIn(queueId: number, where: ConsumeFromWhere): StartRange {
    const end: StartRange = { earliest: this.#stored[queueId] ?? 0, latest: Number.POSITIVE_INFINITY };
    if (where === "last-offset") return end;
    if (where === "first-offset") return { earliest: 0, latest: 0 };
    const time = Number(where.timestamp);
    const first = this.#logOf(queueId).findIndex(({ sentAt }) => sentAt >= time);
    return first < 0 ? end : { earliest: first, latest: first };
  }

  /** The lowest offset that the instance has to hear of and that is not done. */
  #lowest(instance: KnownInstance, queueId: number, { start, from, hold }: HeardQueue): number {
    const { length } = this.#logOf(queueId);
    let offset = Math.min(Math.max(from, start.latest), length);
    while (offset < length && (hold?.done.has(offset) === true || !this.#isWanted(instance, queueId, offset)))
      offset += 1;
    return offset;
  }

  #isWanted({ tags }: KnownInstance, queueId: number, offset: number): boolean {
    return tags === undefined || tags.has(this.#logOf(queueId)[offset]?.tag ?? "");
  }

  #logOf(queueId: number): readonly SentMessage[] {
    return this.#log[queueId] ?? [];
  }

  #get(key: string): KnownInstance {
    const instance = this.#instances.get(key);
    if (instance === undefined) throw new Error(`the oracle knows no instance ${key}`);
    return instance;
  }
}

function newHold(): Hold {
  return { delivered: new Set(), done: new Set() };
}

function newQueue(start: StartRange, now: number): HeardQueue {
  return { firstTakenAt: now, start, from: start.earliest, hold: newHold() };
}

function isOpen({ earliest, latest }: StartRange): boolean {
  return earliest < latest;
}
