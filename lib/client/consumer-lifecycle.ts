import { MqError } from "../errors.js";
import { integerOption, refuseUnknownOptions } from "../options.js";
import type { Clock } from "../time/clock.js";
import { holdProcess, type ProcessHold } from "../time/hold-process.js";
import { excuseRunningDelivery } from "./delivery.js";
import type { CloseOptions } from "./push-consumer.js";

/** What a consumer does when its state changes. */
export interface ConsumerSteps {
  /** Joins the group. */
  join(): Promise<void>;
  /** `start` resolves in a moment. */
  started(): void;
  /** Undoes a join that a close has overtaken. */
  leave(): void;
  /** Takes no new work, waits for what runs, leaves; only after a join was begun. */
  end(graceMs: number): Promise<void>;
  /** Always last, whatever failed before. */
  closed(): void;
}

/**
 * What every kind of consumer goes through.
 *
 * ```
 * created ──start()──▶ started ──close()──▶ closing ──▶ closed
 *     └───────────────────close()───────────────────────▶
 * ```
 * The process stays alive from the call of `start` until closed.
 */
export class ConsumerLifecycle {
  /** As errors name it. */
  readonly #name: string;
  readonly #clock: Clock;
  readonly #steps: ConsumerSteps;
  #state: "created" | "started" | "closing" | "closed" = "created";
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hold: ProcessHold | undefined;
  /** When the join ended a close had begun. */
  #hasJoinedLate = false;

  constructor(name: string, clock: Clock, steps: ConsumerSteps) {
    this.#name = name;
    this.#clock = clock;
    this.#steps = steps;
  }

  /** `start` was called, and has not failed. */
  get hasBegun(): boolean {
    return this.#starting !== undefined;
  }

  /** `start` has resolved, or is about to. */
  get hasStarted(): boolean {
    return this.#state !== "created";
  }

  /** It takes no new work: what was stored before the call of `close` it still takes. */
  get isEnding(): boolean {
    return this.#state === "closing" || this.#state === "closed";
  }

  /** `close` was called. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.closedError());
    if (this.#starting !== undefined) {
      return Promise.reject(new MqError("ERR_MQ_ALREADY_CREATED", `${this.#name} was started before`));
    }
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Every call returns the same promise. */
  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close(graceOption(options));
    }
    excuseRunningDelivery(this.#closing);
    return this.#closing;
  }

  /** Throws once `close` was called. */
  assertOpen(): void {
    if (this.#closing !== undefined) throw this.closedError();
  }

  /** Throws unless `start` has resolved, and once `close` was called. */
  assertStarted(): void {
    this.assertOpen();
    if (this.#state === "created") throw new MqError("ERR_MQ_NOT_STARTED", `${this.#name} was not started`);
  }

  /** It can go on no longer, though nobody has closed it: the process need not stay alive for it. */
  letGo(): void {
    this.#hold?.release();
  }

  closedError(): MqError {
    return new MqError("ERR_MQ_CLOSED", `${this.#name} is closed`);
  }

  async #start(): Promise<void> {
    this.#hold = holdProcess();
    try {
      await this.#steps.join();
      if (this.#state === "created") this.#state = "started";
      else this.#joinedLate();
      if (this.#closing !== undefined) throw this.closedError();
      this.#steps.started();
    } catch (error) {
      if (this.#closing === undefined) this.#hold.release();
      this.#starting = undefined;
      throw error;
    }
  }

  /** A close that is still under way waits for the listeners of what was taken meanwhile, and drops that, before anybody else may have it. */
  #joinedLate(): void {
    this.#hasJoinedLate = true;
    if (this.#state === "closed") this.#steps.leave();
  }

  async #close(graceMs: number): Promise<void> {
    try {
      if (this.#starting === undefined) return;
      // What was stored before this call and is on its way here is still delivered.
      await new Promise<void>((resolve) => this.#clock.turn(resolve));
      this.#state = "closing";
      await this.#steps.end(graceMs);
    } finally {
      this.#state = "closed";
      if (this.#hasJoinedLate) this.#steps.leave();
      this.#hold?.release();
      this.#steps.closed();
    }
  }
}

export function graceOption(options: CloseOptions): number {
  refuseUnknownOptions("CloseOptions", options, ["graceMs"]);
  return integerOption("graceMs", options.graceMs, { min: 0, max: 2 ** 31 - 1, fallback: 10_000 });
}
