import { isMqError } from "../errors.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";

/** After something failed. RocketMQ's schedule service pauses for 10 s. */
const FAILED_MS = 1_000;

/**
 * Moves messages into their queues when they are due, with one timer for the earliest. What is due is in the store, so that after a restart it simply
 * looks again; whichever process moves a message first has moved it.
 */
export class DueScheduler {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #events: EventHub;
  #timer: ClockTimer | undefined;
  #armedFor: number | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(engine: Engine, clock: Clock, events: EventHub) {
    this.#engine = engine;
    this.#clock = clock;
    this.#events = events;
  }

  /** What is due next may be another now. */
  look(): void {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#engine.whenFree(() => {
      this.#isBusy = false;
      // Whoever uses a store that is gone or stopped is told; nothing is due in it.
      if (this.#isClosed || !this.#engine.isUsable) return;
      try {
        const { due } = this.#engine;
        // A read on a connection of the owner's costs three pragmas; after most commits nothing has to be read.
        this.#arm(due.isKnown ? due.earliest() : this.#engine.readNow(() => due.earliest()));
      } catch (error) {
        if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) this.#events.error(toMqError(error, "looking for what is due"));
        this.#lookLater();
      }
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #arm(dueAt: number | undefined): void {
    if (dueAt === this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = dueAt;
    this.#timer = dueAt === undefined ? undefined : this.#clock.at(dueAt, () => this.#move());
  }

  #lookLater(): void {
    this.#timer?.cancel();
    this.#armedFor = undefined;
    this.#timer = this.#clock.at(this.#clock.now() + FAILED_MS, () => this.look());
  }

  #move(): void {
    this.#armedFor = undefined;
    if (this.#isBusy || !this.#engine.isUsable) return;
    this.#isBusy = true;
    this.#engine
      .write(() => this.#engine.due.moveDue(this.#clock.now()))
      .then(
        () => {
          this.#isBusy = false;
          this.look();
        },
        (error: unknown) => {
          this.#isBusy = false;
          if (this.#isClosed || isMqError(error, "ERR_MQ_CLOSED")) return;
          this.#events.error(toMqError(error, "delivering what is due"));
          this.#lookLater();
        },
      );
  }
}
