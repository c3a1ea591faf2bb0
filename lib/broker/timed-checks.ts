import type { HalfHead, HalfMessage } from "../store/half-table.js";
import type { CheckSchedule, CheckScheduleParts } from "./check-schedule.js";
import { EarliestDue, type PutOffPlace } from "./due-rows.js";

/** What one transaction hands out or gives up. */
const MAX_CHECKS_A_MOVE = 100;
/** What one transaction looks at when the clock was set back. */
const HALVES_A_LOOK = 1_000;

/**
 * The checks of the profile `embedded`: each half message is asked for when its time is over, and then each interval later, to the millisecond; only while a producer of its group lives
 * here that has room, and only then it is counted.
 */
export class TimedChecks implements CheckSchedule {
  readonly isAlone: boolean = true;
  readonly #parts: CheckScheduleParts;
  readonly #earliest: EarliestDue;
  #counted: HalfMessage[] = [];

  constructor(parts: CheckScheduleParts) {
    this.#parts = parts;
    this.#earliest = new EarliestDue(() => this.#readEarliest());
  }

  added({ producerGroup, checkAt }: HalfMessage): void {
    if (this.#parts.checkers.has(producerGroup)) this.#earliest.added(checkAt);
  }

  moveDue(now: number): number {
    const { store, checkers, settings, giveUp } = this.#parts;
    const { checkIntervalMs, checkMax } = settings;
    this.#earliest.forget();
    checkers.keepAsking(now, store.halves);
    // What is put off now leaves room for the other groups in the next one.
    let left = MAX_CHECKS_A_MOVE;
    for (const group of checkers.groups) {
      if (left === 0) break;
      const room = Math.min(checkers.roomOf(group), left);
      for (const half of store.halves.listDue(group, now, room)) {
        left -= 1;
        if (half.checks >= checkMax) giveUp(half);
        else {
          const checked = { ...half, checks: half.checks + 1, checkAt: now + checkIntervalMs, waitMs: checkIntervalMs };
          store.halves.setCheck(checked);
          this.#counted.push(checked);
        }
      }
    }
    return 0;
  }

  putOffAnew(now: number, [after = -1]: PutOffPlace): PutOffPlace | undefined {
    this.#earliest.forget();
    const { halves } = this.#parts.store;
    this.#parts.checkers.putOffAnew(now);
    const looked = halves.listAfter(after, HALVES_A_LOOK);
    for (const half of looked) if (half.checkAt - half.waitMs > now) halves.hold(half.halfOffset, now + half.waitMs);
    const last = looked.at(-1);
    return last && [last.halfOffset];
  }

  nextCheckAt({ checkAt }: HalfHead): number {
    return checkAt;
  }

  takeCounted(): readonly HalfMessage[] {
    this.#parts.checkers.kept();
    const counted = this.#counted;
    this.#counted = [];
    return counted;
  }

  get isKnown(): boolean {
    return this.#earliest.isKnown;
  }

  earliest(): number | undefined {
    return earlier(this.#earliest.get(), this.#parts.checkers.keepAskingAt);
  }

  forgetEarliest(): void {
    this.#earliest.forget();
  }

  drop(): void {
    this.#parts.checkers.notKept();
    this.#counted = [];
    this.#earliest.forget();
  }

  #readEarliest(): number | undefined {
    const { store, checkers } = this.#parts;
    let earliest: number | undefined;
    for (const group of checkers.groups) earliest = earlier(earliest, store.halves.earliest(group));
    return earliest;
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
