import type { HalfHead, HalfMessage, HalfTable } from "../store/half-table.js";

/** A producer that says what became of its group's transactions. */
export interface TransactionChecker {
  readonly producerGroup: string;
  /** How many more half messages it takes now. */
  readonly room: number;
  /**
   * Asks for one. `undefined`: not known, or the answer comes as a request of its own; `null`: it is not asked for now, as too many are. Never rejects.
   *
   * @param half - counted, this check included.
   */
  check(half: HalfMessage): Promise<"commit" | "rollback" | undefined | null>;
}

/** What one transaction puts off. */
const MAX_HELD = 500;

/** What a producer has said. */
export interface CheckAnswer {
  /** `undefined`: it is not known. */
  readonly end: "commit" | "rollback" | undefined;
  /** From when on others may be asked then, where that has been put off. */
  readonly dueAt?: number;
}

/** That a producer has not answered yet. */
interface Asking {
  /** Nobody else asks before that. */
  until: number;
  /** The same, once the transaction is committed that says so. */
  next: number | undefined;
}

/**
 * The producers of this broker that answer checks, by their groups, and what they are asked for now.
 *
 * Nobody asks for a half message before its next check is due. While a producer takes its time that is put off, at half of the interval, and is not counted: so two are never asked for one at once, also not in two
 * processes.
 */
export class TransactionCheckers {
  /** The one that was asked last is last. */
  readonly #checkers = new Map<string, TransactionChecker[]>();
  readonly #asking = new Map<number, Asking>();
  readonly #intervalMs: number;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  add(checker: TransactionChecker): void {
    const { producerGroup } = checker;
    this.#checkers.set(producerGroup, [...(this.#checkers.get(producerGroup) ?? []), checker]);
  }

  delete(checker: TransactionChecker): void {
    const { producerGroup } = checker;
    const others = (this.#checkers.get(producerGroup) ?? []).filter((other) => other !== checker);
    if (others.length === 0) this.#checkers.delete(producerGroup);
    else this.#checkers.set(producerGroup, others);
  }

  /** Whether no group has producers here. */
  get isEmpty(): boolean {
    return this.#checkers.size === 0;
  }

  /** Whether the group has producers here, busy or not. */
  has(producerGroup: string): boolean {
    return this.#checkers.has(producerGroup);
  }

  /** Those whose producers take more now. */
  get groups(): readonly string[] {
    return [...this.#checkers.keys()].filter((group) => this.roomOf(group) > 0);
  }

  /** How many half messages the producers of a group take now; 0: there is none, or they are busy. */
  roomOf(producerGroup: string): number {
    return (this.#checkers.get(producerGroup) ?? []).reduce((sum, { room }) => sum + room, 0);
  }

  /** Whether a producer here has not answered yet. */
  isAsked({ halfOffset }: HalfHead): boolean {
    return this.#asking.has(halfOffset);
  }

  /**
   * Asks the producers of the group in turn, those first that have room. `undefined`: none of them was asked.
   */
  async ask(half: HalfMessage): Promise<CheckAnswer | undefined> {
    const checkers = this.#checkers.get(half.producerGroup) ?? [];
    const index = checkers.findIndex(({ room }) => room > 0);
    const [checker] = checkers.splice(Math.max(index, 0), 1);
    if (checker === undefined) return undefined;
    checkers.push(checker);
    const asking: Asking = { until: half.checkAt, next: undefined };
    this.#asking.set(half.halfOffset, asking);
    try {
      const end = await checker.check(half);
      if (end === null) return undefined;
      return { end, ...(end === undefined && asking.until > half.checkAt && { dueAt: half.checkAt }) };
    } finally {
      this.#asking.delete(half.halfOffset);
    }
  }

  /** When it is to be put off next that others ask. */
  get keepAskingAt(): number | undefined {
    let earliest: number | undefined;
    for (const asking of this.#asking.values()) {
      const at = this.#keepAt(asking);
      if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Inside a transaction. */
  keepAsking(now: number, halves: Pick<HalfTable, "hold">): void {
    let held = 0;
    for (const [halfOffset, asking] of this.#asking) {
      asking.next = undefined;
      if (this.#keepAt(asking) > now || held === MAX_HELD) continue;
      held += 1;
      asking.next = now + this.#intervalMs;
      halves.hold(halfOffset, asking.next);
    }
  }

  /** The clock was set back: what is put off is so from now on. */
  putOffAnew(now: number): void {
    for (const asking of this.#asking.values()) asking.until = Math.min(asking.until, now + this.#intervalMs);
  }

  /** That transaction was rolled back. */
  notKept(): void {
    for (const asking of this.#asking.values()) asking.next = undefined;
  }

  /** That transaction was committed. */
  kept(): void {
    for (const asking of this.#asking.values()) {
      asking.until = asking.next ?? asking.until;
      asking.next = undefined;
    }
  }

  #keepAt({ until }: Asking): number {
    return until - Math.floor(this.#intervalMs / 2);
  }
}
