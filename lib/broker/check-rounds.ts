import { PROPERTY } from "../message/properties.js";
import type { HalfHead, HalfMessage } from "../store/half-table.js";
import type { CheckSchedule, CheckScheduleParts } from "./check-schedule.js";
import type { PutOffPlace } from "./due-rows.js";
import { changeProperties, immunityOf, propertyOf } from "./half-properties.js";

/** What one transaction looks at. */
const HALVES_A_MOVE = 100;
const MAX_BYTES_A_MOVE = 1024 * 1024;
/** Source: RocketMQ, `MessageStoreConfig.java`, `fileReservedTime`. */
const KEPT_MS = 72 * 3_600_000;

interface Round {
  readonly startedAt: number;
  /** It has come so far. */
  readonly after: number;
}

export interface CheckRoundsParts extends CheckScheduleParts {
  /** When the check service began: its rounds come each interval from there. */
  readonly openedAt: number;
  /** Other processes may have the store open. */
  readonly isShared: boolean;
}

/**
 * The checks of the profile `rocketmq`: the check service looks at the half messages once an interval, in the order in which they were stored, and counts each that it looks at, whether there is anybody to ask
 * or not. A half message moves to the end of its queue then.
 *
 * In a file, which other processes may have open, those of a group that has no producer here are left alone for one more interval: its producers may be there.
 *
 * Source: RocketMQ 5.3.3, `broker/.../transaction/queue/TransactionalMessageServiceImpl.java`, `check`.
 */
export class CheckRounds implements CheckSchedule {
  readonly isAlone: boolean = true;
  readonly #parts: CheckRoundsParts;
  #nextAt: number;
  #round: Round | undefined;
  /** As it is once the transaction is committed. */
  #moved: { readonly round: Round | undefined; readonly nextAt: number } | undefined;
  #counted: HalfMessage[] = [];
  #hasHalves: boolean | undefined;

  constructor(parts: CheckRoundsParts) {
    this.#parts = parts;
    this.#nextAt = parts.openedAt + parts.settings.checkIntervalMs;
  }

  added({ storedAt }: HalfHead): void {
    this.#hasHalves = true;
    // There was nothing to look at in the rounds before.
    if (this.#round === undefined && this.#nextAt <= storedAt) this.#nextAt = this.#following(storedAt);
  }

  moveDue(now: number): number {
    const { store, checkers } = this.#parts;
    checkers.keepAsking(now, store.halves);
    const round = this.#round ?? (this.#nextAt <= now ? { startedAt: now, after: -1 } : undefined);
    if (round === undefined) return 0;
    const nextAt = this.#round === undefined ? this.#following(now) : this.#nextAt;
    this.#moved = { round: this.#goOn(round, now), nextAt };
    return 0;
  }

  /** One more step; `undefined`: the round is over. */
  #goOn({ startedAt, after }: Round, now: number): Round | undefined {
    const halves = this.#parts.store.halves.listAfter(after, HALVES_A_MOVE);
    let bytes = 0;
    for (const half of halves) {
      if (!this.#look(half, startedAt, now)) return undefined;
      bytes += half.size;
      if (bytes >= MAX_BYTES_A_MOVE) return { startedAt, after: half.halfOffset };
    }
    const last = halves.at(-1);
    return halves.length < HALVES_A_MOVE || last === undefined ? undefined : { startedAt, after: last.halfOffset };
  }

  /** False: this one and all behind it are too young. */
  #look(head: HalfHead, startedAt: number, now: number): boolean {
    const { store, settings, giveUp } = this.#parts;
    const age = now - head.bornTimestamp;
    if (!this.#isOurs(head, now)) return true;
    // This round has checked it: the answer to its last check counts, however many were checked with it.
    if (head.storedAt >= startedAt) return false;
    const isOver = head.checks >= settings.checkMax || age > KEPT_MS;
    const half = store.halves.find(head.halfOffset) as HalfMessage;
    const immunityMs = immunityOf(half.record);
    const waitMs = immunityMs ?? settings.timeoutMs;
    if (isOver) giveUp(half);
    else if (immunityMs !== undefined && age < immunityMs) this.#renewImmune(half, now);
    else if (age > waitMs || age <= -1) this.#count(half, now);
    else return false;
    return true;
  }

  /** Whether another process has looked at it within an interval, or asks for it now. */
  #isOurs(half: HalfHead, now: number): boolean {
    const { checkers, isShared, settings } = this.#parts;
    if (checkers.isAsked(half)) return true;
    if (half.checkAt > now) return false;
    if (!isShared || checkers.has(half.producerGroup)) return true;
    return Math.max(half.checkAt, half.storedAt + settings.timeoutMs) + settings.checkIntervalMs <= now;
  }

  #renewImmune(half: HalfMessage, now: number): void {
    const prepared = propertyOf(half.record, PROPERTY.TRAN_PREPARED_QUEUE_OFFSET) ?? `${half.halfOffset}`;
    this.#renew(half, now, [
      [PROPERTY.TRAN_PREPARED_QUEUE_OFFSET, prepared],
      [PROPERTY.WAIT, "false"],
    ]);
  }

  #count(half: HalfMessage, now: number): void {
    const { store, checkers } = this.#parts;
    // Its producer has not answered yet: counted, but not asked twice at once.
    if (checkers.isAsked(half)) store.halves.setCheck({ ...half, checks: half.checks + 1 });
    else {
      const renewed = this.#renew(half, now, []);
      this.#counted.push({ ...renewed, record: changeProperties(renewed.record, [[PROPERTY.WAIT, "false"]]) });
    }
  }

  /** Its copy at the end of the half queue takes its place. */
  #renew(half: HalfMessage, now: number, changed: readonly (readonly [name: string, value: string])[]): HalfMessage {
    const { store, settings } = this.#parts;
    const checks = half.checks + 1;
    const record = changeProperties(half.record, [[PROPERTY.TRANSACTION_CHECK_TIMES, `${checks}`], ...changed]);
    const waitMs = settings.checkIntervalMs;
    const times = { checkAt: this.#following(now), waitMs, storedAt: now };
    const renewed = { ...half, halfOffset: store.meta.reserveHalfOffsets(1), checks, record, ...times };
    store.halves.renew(half, renewed);
    return renewed;
  }

  putOffAnew(now: number, [after = -1]: PutOffPlace): PutOffPlace | undefined {
    const { store, checkers, settings } = this.#parts;
    if (this.#nextAt - now > settings.checkIntervalMs) this.#nextAt = now + settings.checkIntervalMs;
    checkers.putOffAnew(now);
    const looked = store.halves.listAfter(after, HALVES_A_MOVE);
    for (const half of looked) {
      if (Math.max(half.storedAt, half.checkAt - half.waitMs) <= now) continue;
      const checkAt = checkers.isAsked(half) ? now + settings.checkIntervalMs : now;
      // A round ends at one that was stored later than it began.
      store.halves.redate(half, checkAt, Math.min(half.storedAt, now));
    }
    const last = looked.at(-1);
    return last && [last.halfOffset];
  }

  nextCheckAt({ checkAt }: HalfHead): number {
    return Math.max(checkAt, this.#nextAt);
  }

  takeCounted(): readonly HalfMessage[] {
    if (this.#moved !== undefined) ({ round: this.#round, nextAt: this.#nextAt } = this.#moved);
    this.#moved = undefined;
    this.#parts.checkers.kept();
    const counted = this.#counted;
    this.#counted = [];
    return counted;
  }

  get isKnown(): boolean {
    return this.#hasHalves !== undefined;
  }

  earliest(): number | undefined {
    if (this.#hasHalves === undefined) this.#find();
    if (!this.#hasHalves) return undefined;
    const { keepAskingAt = Number.POSITIVE_INFINITY } = this.#parts.checkers;
    return Math.min(this.#round?.startedAt ?? this.#nextAt, keepAskingAt);
  }

  /** Others may have stored the first one. */
  #find(): void {
    const [first] = this.#parts.store.halves.listAfter(-1, 1);
    if (first === undefined) this.#hasHalves = false;
    else this.added(first);
  }

  forgetEarliest(): void {
    this.#hasHalves = undefined;
  }

  drop(): void {
    this.#parts.checkers.notKept();
    this.#counted = [];
    this.#moved = undefined;
    this.#hasHalves = undefined;
  }

  /** When the round after this moment comes. */
  #following(now: number): number {
    const { checkIntervalMs } = this.#parts.settings;
    const passed = Math.floor((now - this.#nextAt) / checkIntervalMs);
    return this.#nextAt + (passed + 1) * checkIntervalMs;
  }
}
