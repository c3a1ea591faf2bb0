import type { Store } from "../store/store.js";
import type { WrittenBlock } from "./log-appender.js";
import type { QueueStates } from "./queue-states.js";

/** What others have committed since the last look. */
export interface ForeignNews {
  readonly queues: readonly { readonly topic: string; readonly queueId: number }[];
  readonly topicsChanged: boolean;
  /** Up to where the log was looked at, and how often topics had changed. */
  readonly logEnd: number;
  readonly topicChanges: number;
}

/**
 * Finds out what a commit of somebody else brought, so that only those are woken whom it concerns: with 1,000 topics looking at every queue
 * and sharing them anew took 40 ms for each foreign commit.
 */
export class News {
  readonly #store: Store;
  readonly #queues: QueueStates;
  /** Everything before it is known here. */
  #logEnd: number;
  #topicChanges: number;

  constructor(store: Store, queues: QueueStates) {
    this.#store = store;
    this.#queues = queues;
    this.#logEnd = queues.logEnd;
    this.#topicChanges = store.meta.topicChanges();
  }

  /** Our own commits are no news. */
  wrote(written: readonly WrittenBlock[], topicChanges: readonly number[]): void {
    for (const change of topicChanges) if (change === this.#topicChanges + 1) this.#topicChanges = change;
    for (const { block } of written) {
      if (block.commitLogOffset === this.#logEnd) this.#logEnd += block.records.length;
    }
  }

  /** Changes nothing, so that it can be repeated until it is consistent. */
  look(): ForeignNews {
    const { logEnd } = this.#queues;
    const written = logEnd === this.#logEnd ? [] : this.#store.log.listQueuesFromPosition(this.#logEnd);
    const queues = [...written].flatMap((queueKey) => this.#store.queues.findByKey(queueKey) ?? []);
    const topicChanges = this.#store.meta.topicChanges();
    return { queues, topicsChanged: topicChanges !== this.#topicChanges, logEnd, topicChanges };
  }

  /** What was looked at is acted on. */
  took({ logEnd, topicChanges }: ForeignNews): void {
    this.#logEnd = logEnd;
    this.#topicChanges = topicChanges;
  }
}
