import type { EventHub } from "../broker/broker-events.js";
import { describe, integerOption, invalid, refuseUnknownOptions } from "../options.js";
import type { FaultPlan, Faults } from "./faults.js";
import type { Link } from "./link.js";
import { checkResponseCode } from "./send-fault.js";
import type { ManualClock } from "./virtual-clock.js";

/** What faults act on. */
export interface FaultTargets {
  readonly clock: ManualClock;
  /** Brokers see that the clock was set, and by how much, when they look before and after. */
  readonly look: () => void;
  /** Of the consumers of this name; throws where there is none. */
  readonly linksOf: (clientId: string) => readonly Link[];
  readonly events: EventHub;
  readonly crash: () => Promise<void>;
  readonly failed: (error: unknown) => void;
}

const MOST = Number.MAX_SAFE_INTEGER;

/** {@link Faults}: checks what it is asked for. */
export class InjectedFaults implements Faults {
  readonly #plan: FaultPlan;
  readonly #targets: FaultTargets;

  constructor(plan: FaultPlan, targets: FaultTargets) {
    this.#plan = plan;
    this.#targets = targets;
  }

  failSend(options: Parameters<Faults["failSend"]>[0]): () => void {
    refuseUnknownOptions("failSend", options, ["nth", "times", "topic", "responseCode"]);
    const { topic, responseCode } = options;
    const nth = integerOption("failSend: nth", options.nth, { min: 1, max: MOST, fallback: 1 });
    const all = options.nth === undefined ? Number.POSITIVE_INFINITY : 1;
    const times = integerOption("failSend: times", options.times, { min: 1, max: MOST, fallback: all });
    return this.#plan.failSends(nameOption("failSend: topic", topic), checkResponseCode(responseCode), nth, times);
  }

  slowSend(options: Parameters<Faults["slowSend"]>[0]): () => void {
    refuseUnknownOptions("slowSend", options, ["byMs", "topic"]);
    const { byMs } = options;
    if (!Number.isSafeInteger(byMs) || byMs < 0)
      throw invalid(`slowSend: byMs must be whole milliseconds from 0 on, got ${describe(byMs)}`);
    return this.#plan.slowSends(nameOption("slowSend: topic", options.topic), byMs);
  }

  loseAck(options: NonNullable<Parameters<Faults["loseAck"]>[0]> = {}): () => void {
    const { group, times } = groupFault("loseAck", options);
    return this.#plan.loseAcks(group, times);
  }

  duplicateDelivery(options: NonNullable<Parameters<Faults["duplicateDelivery"]>[0]> = {}): () => void {
    const { group, times } = groupFault("duplicateDelivery", options);
    return this.#plan.duplicate(group, times);
  }

  loseEndTransaction(options: NonNullable<Parameters<Faults["loseEndTransaction"]>[0]> = {}): () => void {
    refuseUnknownOptions("loseEndTransaction", options, ["producerGroup", "times"]);
    const { producerGroup } = options;
    return this.#plan.loseEnds(
      nameOption("loseEndTransaction: producerGroup", producerGroup),
      timesOption("loseEndTransaction", options.times),
    );
  }

  partition(clientId: string): () => void {
    const links = this.#targets.linksOf(clientId);
    for (const link of links) link.cut();
    return this.#plan.undoing(() => {
      for (const link of links) link.mend().catch(this.#targets.failed);
    });
  }

  fillDisk(): () => void {
    const { events } = this.#targets;
    return this.#plan.fillDisk((isFull) => events.emit(isFull ? "disk:full" : "disk:recovered", { freeBytes: 0 }));
  }

  jumpClock(byMs: number): void {
    if (!Number.isSafeInteger(byMs)) throw invalid(`jumpClock: byMs must be whole milliseconds, got ${describe(byMs)}`);
    const { clock, look } = this.#targets;
    const time = clock.now() + byMs;
    if (!Number.isSafeInteger(time) || time < 0)
      throw invalid(`jumpClock: byMs must lead to epoch milliseconds from 0 on, got ${describe(byMs)}`);
    look();
    clock.setTime(time);
    look();
  }

  crash(): Promise<void> {
    return this.#targets.crash();
  }
}

function groupFault(
  name: string,
  options: { readonly group?: string | undefined; readonly times?: number | undefined },
): { readonly group: string | undefined; readonly times: number } {
  refuseUnknownOptions(name, options, ["group", "times"]);
  return {
    group: nameOption(`${name}: group`, options.group),
    times: timesOption(name, options.times),
  };
}

function timesOption(name: string, times: number | undefined): number {
  return integerOption(`${name}: times`, times, { min: 1, max: MOST, fallback: Number.POSITIVE_INFINITY });
}

function nameOption(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw invalid(`${name} must be a string, got ${describe(value)}`);
}
