import { DELAY_LEVELS_MS } from "../../../lib/time/delay-levels.js";
import type { QueueSurroundings } from "./group-queue-model.js";
import { type Call, type Delivered, Hold, type ModelMember } from "./hold.js";
import { ListenedQueueModel } from "./listened-queue-model.js";
import type { SentMessage } from "./message-book.js";
import type { Ended } from "./outcome.js";

/** The group's, where a member has none. */
const MAX_RECONSUME_TIMES = 16;
const TIMED_OUT_MS = 10_000;

/** What a member that consumes in no order is told. */
export interface ConcurrentSettings {
  readonly maxReconsumeTimes: number | undefined;
  readonly timeoutMs: number;
  readonly batchSize: number;
}

export interface ConcurrentMember extends ModelMember {
  readonly settings: ConcurrentSettings;
}

export class ConcurrentHold extends Hold {
  declare readonly owner: ConcurrentMember;
  /** What succeeded, for as long as the queue stays with the member. */
  readonly acknowledged = new Set<number>();
  /** What may have. */
  readonly perhapsAcknowledged = new Set<number>();
}

/** A delivery that failed, on its way back to the broker. */
export interface Failure {
  readonly queue: ConcurrentQueueModel;
  readonly call: Call<ConcurrentHold>;
  readonly delivered: Delivered;
  /** `undefined`: it goes to the dead letters. */
  readonly waitMs: number | undefined;
}

/** What a group knows of its failed messages, whichever queue they are in. */
export interface FailureBook {
  failed(failure: Failure): void;
  /** It comes again: it was not sent back. */
  forget(message: SentMessage): void;
  /** @returns what is wrong with it. */
  check(delivered: Delivered, place: string): string | undefined;
}

/** Messages are delivered in the order of their offsets, many at once, and each is done by itself. */
export class ConcurrentQueueModel extends ListenedQueueModel<ConcurrentHold> {
  readonly #failures: FailureBook;

  constructor(name: string, surroundings: QueueSurroundings, failures: FailureBook) {
    super(name, surroundings);
    this.#failures = failures;
  }

  createHold(owner: ModelMember): ConcurrentHold {
    return new ConcurrentHold(this.name, owner);
  }

  override timedOut(call: Call<ConcurrentHold>): void {
    if (!call.hold.isOver) this.#fail(call, call.batch, TIMED_OUT_MS);
    call.hasTimedOut = true;
  }

  /** A copy is stored. */
  sentBack(offset: number): void {
    this.acknowledged.add(offset);
    this.pass();
  }

  protected override doubted({ batch }: Call<ConcurrentHold>): void {
    for (const { message } of batch) this.#failures.forget(message);
  }

  protected began(call: Call<ConcurrentHold>): void {
    if (call.batch.length > call.hold.owner.settings.batchSize) this.broken(`${call}: more than a batch`);
    for (const delivered of call.batch) {
      const problem = this.#failures.check(delivered, `${this.name} at ${delivered.queueOffset}`);
      if (problem !== undefined) this.broken(`${call}: ${problem}`);
    }
  }

  protected count(call: Call<ConcurrentHold>, ended: Ended, isSure: boolean): void {
    const { hold, batch } = call;
    const consumed = countConsumed(ended, batch.length);
    const acknowledged = isSure ? hold.acknowledged : hold.perhapsAcknowledged;
    for (const { queueOffset } of batch.slice(0, consumed)) acknowledged.add(queueOffset);
    if (consumed === batch.length) return;
    this.#fail(call, batch.slice(consumed), ended.delayLevel === -1 ? undefined : "policy");
  }

  protected forget(hold: ConcurrentHold): void {
    hold.acknowledged.clear();
    hold.perhapsAcknowledged.clear();
  }

  protected override isDone(offset: number, isPerhapsEnough: boolean): boolean {
    if (super.isDone(offset, isPerhapsEnough)) return true;
    const { last } = this;
    // What is sent back is told of after the step in which it was, in which the queue may have been lost as well.
    if (last === undefined || (last.isOver && last.overIn !== this.surroundings.machine.steps)) return false;
    return last.acknowledged.has(offset) || (isPerhapsEnough && last.perhapsAcknowledged.has(offset));
  }

  #fail(call: Call<ConcurrentHold>, failed: readonly Delivered[], wait: number | "policy" | undefined): void {
    const { maxReconsumeTimes = MAX_RECONSUME_TIMES } = call.hold.owner.settings;
    for (const delivered of failed) {
      const { deliveryAttempt } = delivered;
      // After the n-th attempt the step n + 2 of the list.
      const waitMs = wait === "policy" ? DELAY_LEVELS_MS[deliveryAttempt + 1] : wait;
      this.#failures.failed({
        queue: this,
        call,
        delivered,
        waitMs: deliveryAttempt > maxReconsumeTimes ? undefined : waitMs,
      });
    }
  }
}

/** How many messages of a call are consumed: the first ones. */
export function countConsumed({ result, hasThrown, ackIndex }: Ended, size: number): number {
  if (hasThrown || result === null || result === "retry") return 0;
  return Math.max(0, Math.min(size, (ackIndex ?? size) + 1));
}
