import type { AppendObserver, AppendRequest, WithdrawableWrite } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import type { Clock, ClockTimer } from "../time/clock.js";

/** Sends of one producer that are on their way to the broker, in their order. */
export class DelayedAppends {
  readonly #clock: Clock;
  readonly #append: (request: AppendRequest, observer: AppendObserver) => WithdrawableWrite;
  readonly #onTheirWay = new Set<DelayedAppend>();
  #lastArrival = 0;

  constructor(clock: Clock, append: (request: AppendRequest, observer: AppendObserver) => WithdrawableWrite) {
    this.#clock = clock;
    this.#append = append;
  }

  /** Arrives after this time, and not before those that were sent before it. */
  append(request: AppendRequest, observer: AppendObserver, delayMs: number): WithdrawableWrite {
    const now = this.#clock.now();
    const arrival = Math.max(now + delayMs, this.#lastArrival);
    if (arrival <= now) return this.#append(request, observer);
    this.#lastArrival = arrival;
    const delayed = new DelayedAppend(request, observer, {
      arrival,
      clock: this.#clock,
      append: this.#append,
      ended: () => this.#onTheirWay.delete(delayed),
    });
    this.#onTheirWay.add(delayed);
    return delayed;
  }

  /** Those that are on their way arrive at once. */
  hurry(): void {
    for (const delayed of [...this.#onTheirWay]) delayed.arrive();
  }

  /** Those that are on their way never arrive. */
  fail(error: MqError): void {
    for (const delayed of [...this.#onTheirWay]) delayed.fail(error);
  }
}

interface DelayedAppendParts {
  readonly arrival: number;
  readonly clock: Clock;
  readonly append: (request: AppendRequest, observer: AppendObserver) => WithdrawableWrite;
  /** It is on its way no longer. */
  readonly ended: () => void;
}

class DelayedAppend implements WithdrawableWrite {
  readonly #request: AppendRequest;
  readonly #observer: AppendObserver;
  readonly #parts: DelayedAppendParts;
  readonly #timer: ClockTimer;
  #write: WithdrawableWrite | undefined;
  #isOver = false;

  constructor(request: AppendRequest, observer: AppendObserver, parts: DelayedAppendParts) {
    this.#request = request;
    this.#observer = observer;
    this.#parts = parts;
    const { arrival, clock } = parts;
    const isInTime = arrival <= request.deadline;
    this.#timer = clock.at(Math.min(arrival, request.deadline), () => {
      if (isInTime) this.arrive();
      else this.fail(new MqError("ERR_MQ_TIMEOUT", "the send did not reach the broker until its time-out"));
    });
  }

  arrive(): void {
    if (!this.#end()) return;
    try {
      this.#write = this.#parts.append(this.#request, this.#observer);
    } catch (error) {
      this.#observer.failed(error);
    }
  }

  fail(error: MqError): void {
    if (this.#end()) this.#observer.failed(error);
  }

  withdraw(): boolean {
    return this.#write?.withdraw() ?? this.#end();
  }

  /** False: it was on its way no longer. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer.cancel();
    this.#parts.ended();
    return true;
  }
}
