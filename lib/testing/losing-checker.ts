import type { HalfMessage, TransactionChecker, TransactionEnd } from "../broker/broker-port.js";
import type { FaultPlan } from "./faults.js";

/** Answers checks, unless a fault loses the answer. */
export class LosingChecker implements TransactionChecker {
  readonly #checker: TransactionChecker;
  readonly #plan: FaultPlan;

  constructor(checker: TransactionChecker, plan: FaultPlan) {
    this.#checker = checker;
    this.#plan = plan;
  }

  get producerGroup(): string {
    return this.#checker.producerGroup;
  }
  get room(): number {
    return this.#checker.room;
  }

  async check(half: HalfMessage): Promise<TransactionEnd | undefined | null> {
    const end = await this.#checker.check(half);
    return typeof end === "string" && this.#plan.takeLostEnd(this.producerGroup) ? undefined : end;
  }
}
