import type { QueueRow } from "../store/queue-table.js";
import type { Store } from "../store/store.js";

/** Where one message queue begins and ends. */
export interface QueueState {
  readonly topic: string;
  readonly queueId: number;
  /** 0 until the queue has its row, which it gets with its first message. */
  queueKey: number;
  minOffset: number;
  /** The offset that the next message gets. */
  maxOffset: number;
}

/** Counters of queues and log as of the current `data_version`; the end of the log itself is what they are read from. */
export class QueueStates {
  readonly #store: Store;
  readonly #byTopic = new Map<string, QueueState[]>();
  #logEnd: number | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  drop(): void {
    this.#byTopic.clear();
    this.#logEnd = undefined;
  }

  get(topic: string, queueId: number): QueueState {
    let ofTopic = this.#byTopic.get(topic);
    if (ofTopic === undefined) {
      ofTopic = [];
      this.#byTopic.set(topic, ofTopic);
    }
    const known = ofTopic[queueId];
    if (known !== undefined) return known;
    const state = this.#load(topic, queueId, this.#store.queues.find(topic, queueId));
    ofTopic[queueId] = state;
    return state;
  }

  /** `undefined`: it never had a message. What is asked for by strangers is not kept. */
  find(topic: string, queueId: number): QueueState | undefined {
    const known = this.#byTopic.get(topic)?.[queueId];
    if (known !== undefined) return known.queueKey === 0 ? undefined : known;
    return this.#store.queues.find(topic, queueId) === undefined ? undefined : this.get(topic, queueId);
  }

  /** The `commitLogOffset` of the next record. */
  get logEnd(): number {
    this.#logEnd ??= Math.max(this.#store.log.end(), this.#store.meta.logFloor());
    return this.#logEnd;
  }

  /** Whether the log ends where it is known to end. What was appended last and undone since shows in that, as a position is never used by two records. */
  isLogEndKnown(): boolean {
    return this.#logEnd === undefined || this.#logEnd === this.#store.log.end();
  }

  set logEnd(end: number) {
    this.#logEnd = end;
  }

  #load(topic: string, queueId: number, row: QueueRow | undefined): QueueState {
    if (row === undefined) return { topic, queueId, queueKey: 0, minOffset: 0, maxOffset: 0 };
    const { queueKey, floorOffset } = row;
    const first = this.#store.log.findFirstHead(queueKey);
    const last = this.#store.log.findLastHead(queueKey);
    if (first === undefined || last === undefined)
      return { topic, queueId, queueKey, minOffset: floorOffset, maxOffset: floorOffset };
    return { topic, queueId, queueKey, minOffset: first.firstOffset, maxOffset: last.firstOffset + last.messageCount };
  }
}
