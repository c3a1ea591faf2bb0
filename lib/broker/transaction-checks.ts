import { isMqError } from "../errors.js";
import type { HalfHead, HalfMessage } from "../store/half-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { EventHub } from "./broker-events.js";
import type { EndOfTransaction, TransactionEnd } from "./broker-port.js";
import type { MovedHalves } from "./check-schedule.js";
import type { Engine } from "./engine.js";
import type { TransactionChecker, TransactionCheckers } from "./transaction-checkers.js";
import type { WorkSize } from "./work-write.js";

export interface TransactionChecksParts {
  readonly engine: Engine;
  readonly checkers: TransactionCheckers;
  readonly events: EventHub;
  /** Other half messages may be due now. */
  readonly look: () => void;
}

/** Asks producers what became of their transactions, and acts on what they say. */
export class TransactionChecks {
  readonly #parts: TransactionChecksParts;
  #isClosed = false;

  constructor(parts: TransactionChecksParts) {
    this.#parts = parts;
  }

  /** It answers from now on, first what has waited for it. */
  register(checker: TransactionChecker): void {
    this.#parts.checkers.add(checker);
    this.#others();
  }

  unregister(checker: TransactionChecker): void {
    this.#parts.checkers.delete(checker);
    if (!this.#isClosed) this.#others();
  }

  /** Resolves with whether it had not ended yet. */
  end(transaction: EndOfTransaction): Promise<boolean> {
    const { engine, events } = this.#parts;
    const { transactionId, end } = transaction;
    return engine
      .write(() => engine.halves.end(transaction), sizeOf(transaction))
      .then((isEnded) => {
        if (isEnded) events.emit("transaction:resolved", { transactionId, resolution: end });
        return isEnded;
      });
  }

  /** In place of its producer. Resolves with whether the half message is there. */
  async resolve({ halfOffset, transactionId, size }: HalfHead, end: TransactionEnd): Promise<boolean> {
    const { engine, events } = this.#parts;
    const isOpen = await engine.write(
      () => {
        // Where a check has moved it meanwhile it is found by its transaction.
        const half = engine.store.halves.find(halfOffset) ?? engine.store.halves.findChecked(transactionId);
        if (half?.transactionId !== transactionId) return false;
        engine.halves.resolve(half, end);
        return true;
      },
      sizeOf({ end, bytes: size }),
    );
    if (isOpen) events.emit("transaction:resolved", { transactionId, resolution: end });
    return isOpen;
  }

  /** That is committed. */
  moved({ counted, givenUp }: MovedHalves): void {
    for (const half of counted) void this.#check(half);
    for (const { transactionId } of givenUp)
      this.#parts.events.emit("transaction:resolved", { transactionId, resolution: "gave-up" });
  }

  /** What producers say from now on counts no more. */
  close(): void {
    this.#isClosed = true;
  }

  async #check(half: HalfMessage): Promise<void> {
    const { engine, checkers, events } = this.#parts;
    const { transactionId, producerGroup, checks } = half;
    try {
      const answer = await checkers.ask(half);
      if (this.#isClosed || answer === undefined) return;
      const { end, dueAt } = answer;
      events.emit("transaction:checked", { transactionId, producerGroup, checks, resolution: end ?? "unknown" });
      if (end !== undefined) await this.end({ ...half, end, bytes: half.record.length, isFromCheck: true });
      else if (dueAt !== undefined) await engine.write(() => engine.store.halves.hold(half.halfOffset, dueAt));
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_CLOSED")) events.error(toMqError(error, "checking a transaction"));
    }
    if (!this.#isClosed) this.#others();
  }

  /** Others are asked, or there is room for others. */
  #others(): void {
    this.#parts.engine.halves.checks.forgetEarliest();
    this.#parts.look();
  }
}

/** A commit stores the record anew. */
function sizeOf({ end, bytes = 0 }: Pick<EndOfTransaction, "end" | "bytes">): WorkSize {
  return end === "commit" ? { bytes } : {};
}
