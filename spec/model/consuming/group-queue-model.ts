import type { Delivered, Hold, ModelMember } from "./hold.js";
import type { Machine } from "./machine.js";
import type { MessageBook, SentMessage } from "./message-book.js";
import type { ProcessTrust } from "./process-trust.js";

/** What the model of a queue knows of the world. */
export interface QueueSurroundings {
  readonly machine: Machine;
  readonly book: MessageBook;
  /** Of the topic; `undefined`: the queue is one of the group's retry topic. */
  readonly queueId: number | undefined;
  readonly broken: (rule: string) => void;
}

/** A message queue that the members of a group share, and what they may get of it. */
export abstract class GroupQueueModel<H extends Hold = Hold> {
  readonly name: string;
  deliveries = 0;
  repeats = 0;
  ignoredResults = 0;
  protected readonly surroundings: QueueSurroundings;
  readonly #everDelivered = new Set<number>();

  constructor(name: string, surroundings: QueueSurroundings) {
    this.name = name;
    this.surroundings = surroundings;
  }

  abstract createHold(owner: ModelMember): H;

  /** The member drops the queue. */
  abstract over(hold: H): void;

  /** Its process is no more: what is stored is the group's progress. */
  abstract killed(process: ProcessTrust, stored: number): void;

  /** This is stored as the group's progress. */
  abstract progressed(offset: number): void;

  /** Says how far progress surely is, for {@link GroupQueueModel.checkStored}; `undefined`: that is not sure, or its process stands still. */
  abstract surelyDone(): number | undefined;

  /** @param done - what was surely done some time ago. */
  abstract checkStored(done: number): void;

  /** The lowest that nobody got, or gets again; `undefined`: none, or that is not sure. */
  abstract undelivered(): number | undefined;

  /** The lowest that is not done; `undefined`: none. */
  abstract unfinished(): number | undefined;

  /** Whether it is not to be had any more, whatever the progress. */
  protected isGone(_offset: number): boolean {
    return false;
  }

  protected broken(rule: string): void {
    this.surroundings.broken(`${this.name}: ${rule}`);
  }

  protected messageAt(offset: number): SentMessage | undefined {
    const { queueId, book } = this.surroundings;
    return queueId === undefined ? undefined : book.at(queueId, offset);
  }

  /** The lowest offset of the range that somebody would miss. */
  protected firstWanted(from: number, to: number): number | undefined {
    for (let offset = from; offset < to; offset += 1)
      if (!this.isGone(offset) && this.messageAt(offset)?.isWanted !== false) return offset;
    return undefined;
  }

  /** Whether whoever goes on at the one gets that at the other next. */
  protected isNext(from: number, queueOffset: number): boolean {
    return queueOffset >= from && this.firstWanted(from, queueOffset) === undefined;
  }

  /** Of the retry topic it is not known. */
  get length(): number {
    const { queueId, book } = this.surroundings;
    return queueId === undefined ? 0 : (book.queues[queueId]?.length ?? 0);
  }

  protected countDeliveries(batch: readonly Delivered[]): void {
    this.deliveries += batch.length;
    for (const { queueOffset } of batch) {
      if (this.#everDelivered.has(queueOffset)) this.repeats += 1;
      this.#everDelivered.add(queueOffset);
    }
  }

  /** One after the other, what is stored there, and only what is wanted. @param what - the batch in words */
  protected checkBatch(batch: readonly Delivered[], what: string): void {
    let next = batch[0]?.queueOffset ?? 0;
    for (const { message, queueOffset } of batch) {
      if (!this.isNext(next, queueOffset)) this.broken(`${what}, where ${next} comes next`);
      const stored = this.messageAt(queueOffset);
      if (this.surroundings.queueId !== undefined && stored !== message)
        this.broken(`${what}, though ${stored?.name ?? "nothing"} is at ${queueOffset}`);
      if (!message.isWanted) this.broken(`${what}, whose filter does not let it through`);
      if (this.isGone(queueOffset)) this.broken(`${what}, though ${message.name} was sent back or is dead`);
      next = queueOffset + 1;
    }
  }
}
