import type { QueueSurroundings } from "./group-queue-model.js";
import { type Call, type Delivered, Hold, type ModelMember } from "./hold.js";
import { ListenedQueueModel } from "./listened-queue-model.js";
import type { SentMessage } from "./message-book.js";
import type { Ended } from "./outcome.js";

/** Source: RocketMQ, `ConsumeMessageOrderlyService.java`. */
const [MIN_SUSPEND_MS, MAX_SUSPEND_MS] = [10, 30_000];
/** A lock is renewed every 20 s for as long as the queue is held, and lasts for 60 s. */
const LEASE_LEFT_MS = 40_000;

/** What a member that consumes in order is told. */
export interface OrderlySettings {
  readonly autoCommit: boolean;
  /** `undefined`: no limit. */
  readonly maxReconsumeTimes: number | undefined;
  readonly suspendMs: number;
  readonly batchSize: number;
}

export interface OrderlyMember extends ModelMember {
  readonly settings: OrderlySettings;
}

export class OrderlyHold extends Hold {
  declare readonly owner: OrderlyMember;
  /** Delivered and neither committed nor put back. */
  taken: number[] = [];
  /** How often a message failed in this hold. */
  readonly failures = new Map<number, number>();
  /** Whose failures may be forgotten, as it may have begun anew since. */
  readonly perhapsForgotten = new Set<number>();
  suspendedUntil = Number.NEGATIVE_INFINITY;
  burial: Burial | undefined;
}

/** Messages that have used up their attempts are on their way to the dead letters. */
interface Burial {
  readonly call: Call<OrderlyHold>;
  readonly dying: Map<SentMessage, DyingMessage>;
  /** Of the same call. */
  readonly others: readonly Delivered[];
}

interface DyingMessage extends Delivered {
  readonly died: () => void;
}

/** Who is told of deaths. */
export interface Undertaker {
  /** As {@link GroupSurroundings.dies}. */
  dies(message: SentMessage): () => void;
  /** It must be dead, as what comes behind it was delivered. */
  buried(message: SentMessage): void;
}

/** One call at a time, in the order of the offsets: each is delivered when those before it are done, committed or not. */
export class OrderlyQueueModel extends ListenedQueueModel<OrderlyHold> {
  readonly #burials = new Set<Burial>();
  readonly #undertaker: Undertaker;

  constructor(name: string, surroundings: QueueSurroundings, undertaker: Undertaker) {
    super(name, surroundings);
    this.#undertaker = undertaker;
  }

  createHold(owner: ModelMember): OrderlyHold {
    return new OrderlyHold(this.name, owner);
  }

  /** @returns whether it was expected. */
  deadLettered(message: SentMessage, attempt: number): boolean {
    for (const burial of this.#burials) {
      const delivered = burial.dying.get(message);
      if (delivered === undefined) continue;
      if (delivered.deliveryAttempt !== attempt) this.broken(`${message.name} died of attempt ${attempt}`);
      this.#died(burial, delivered);
      return true;
    }
    return false;
  }

  /** What should be dead by now. */
  dying(): readonly string[] {
    const open = [...this.#burials].filter(({ call: { hold } }) => !hold.isOver && hold.isSure);
    return open.flatMap(({ dying }) => [...dying.keys()].map(({ name }) => name));
  }

  protected override prepare({ burial, isSure }: OrderlyHold): void {
    if (burial === undefined || !isSure) return;
    for (const [message, delivered] of [...burial.dying]) {
      this.#died(burial, delivered);
      this.#undertaker.buried(message);
    }
  }

  protected override doubted({ hold, batch, first }: Call<OrderlyHold>): void {
    for (const offset of hold.failures.keys()) hold.perhapsForgotten.add(offset);
    for (const { queueOffset, deliveryAttempt } of batch) {
      hold.failures.set(queueOffset, deliveryAttempt - 1);
      hold.perhapsForgotten.delete(queueOffset);
    }
    hold.taken = hold.taken.filter((offset) => offset < first.queueOffset);
  }

  protected began(call: Call<OrderlyHold>, isContinued: boolean): void {
    const { hold, batch } = call;
    const { machine } = this.surroundings;
    for (const other of this.calls) this.#checkCallsAtOnce(call, other);
    // What comes again was not buried with the queue's earlier hold.
    for (const { dying, call: earlier } of this.#burials)
      if (earlier.hold.isOver || !isContinued) for (const { message } of batch) dying.delete(message);
    if (batch.length > hold.owner.settings.batchSize) this.broken(`${call}: more than a batch`);
    if (isContinued && hold.isSure && machine.elapsed < hold.suspendedUntil)
      this.broken(`${call}: ${hold.suspendedUntil - machine.elapsed} ms too early`);
    hold.suspendedUntil = Number.NEGATIVE_INFINITY;
    for (const { message, queueOffset, deliveryAttempt } of batch) {
      const expected = (hold.failures.get(queueOffset) ?? 0) + 1;
      const isPerhapsForgotten = hold.perhapsForgotten.delete(queueOffset);
      if (deliveryAttempt === expected) continue;
      if ((!hold.isSure || isPerhapsForgotten) && deliveryAttempt === 1) hold.failures.delete(queueOffset);
      else this.broken(`${call}: ${message.name} as attempt ${deliveryAttempt} instead of ${expected}`);
    }
  }

  protected count(call: Call<OrderlyHold>, ended: Ended, isSure: boolean): void {
    const { hold, batch, end } = call;
    switch (verdictOf(ended)) {
      case "commit":
        hold.taken = [];
        this.doneUpTo(end, isSure);
        return;
      case "keep":
        hold.taken.push(...batch.map(({ queueOffset }) => queueOffset));
        return;
      case "rollback":
        hold.position = hold.taken[0] ?? call.first.queueOffset;
        hold.taken = [];
        this.#suspend(hold);
        return;
      default:
        this.#fail(call, isSure);
    }
  }

  protected forget(hold: OrderlyHold): void {
    hold.taken = [];
    hold.failures.clear();
    hold.perhapsForgotten.clear();
    hold.suspendedUntil = Number.NEGATIVE_INFINITY;
    hold.burial = undefined;
  }

  #checkCallsAtOnce(call: Call<OrderlyHold>, other: Call<OrderlyHold>): void {
    const { owner, overAt } = other.hold;
    if (owner.process.isEnding) return;
    const isLockOver = owner !== call.hold.owner && this.surroundings.machine.elapsed - overAt >= LEASE_LEFT_MS;
    if (!isLockOver && !other.wasSilent) this.broken(`${call}, while a listener is at ${other}`);
  }

  #suspend(hold: OrderlyHold): void {
    const ms = Math.max(MIN_SUSPEND_MS, Math.min(MAX_SUSPEND_MS, hold.owner.settings.suspendMs));
    hold.suspendedUntil = this.surroundings.machine.elapsed + ms;
  }

  #putBack(hold: OrderlyHold, batch: readonly Delivered[]): void {
    for (const { queueOffset } of batch) hold.failures.set(queueOffset, (hold.failures.get(queueOffset) ?? 0) + 1);
    hold.position = batch[0]?.queueOffset;
    this.#suspend(hold);
  }

  #fail(call: Call<OrderlyHold>, isSure: boolean): void {
    const { hold, batch } = call;
    const max = hold.owner.settings.maxReconsumeTimes ?? Number.POSITIVE_INFINITY;
    const dying = batch.filter(({ deliveryAttempt }) => deliveryAttempt > max);
    if (dying.length === 0) {
      this.#putBack(hold, batch);
      return;
    }
    const others = batch.filter((delivered) => !dying.includes(delivered));
    const toDying = (delivered: Delivered): [SentMessage, DyingMessage] => {
      const { message } = delivered;
      return [message, { ...delivered, died: this.#undertaker.dies(message) }];
    };
    const burial = { call, others, dying: new Map(dying.map(toDying)) };
    this.#burials.add(burial);
    if (isSure) hold.burial = burial;
  }

  #died(burial: Burial, { message, queueOffset, died }: DyingMessage): void {
    const { dying, others, call } = burial;
    const { hold } = call;
    dying.delete(message);
    died();
    this.acknowledged.add(queueOffset);
    if (dying.size > 0) return;
    this.#burials.delete(burial);
    if (hold.isOver || hold.burial !== burial) return;
    hold.burial = undefined;
    if (others.length > 0) this.#putBack(hold, others);
    else if (hold.owner.settings.autoCommit) hold.taken = [];
    this.doneUpTo(hold.taken[0] ?? (hold.position as number), hold.isSure);
  }
}

/**
 * | result | autoCommit | not |
 * | --- | --- | --- |
 * | success | commit | keep |
 * | commit | commit | commit |
 * | rollback | commit | rollback |
 * | suspend, null, thrown | suspend | suspend |
 */
export function verdictOf({ result, hasThrown, autoCommit }: Ended): "commit" | "keep" | "rollback" | "suspend" {
  if (hasThrown || result === null || result === "suspend") return "suspend";
  if (autoCommit === true) return "commit";
  if (result === "commit" || result === "rollback") return result;
  return "keep";
}
