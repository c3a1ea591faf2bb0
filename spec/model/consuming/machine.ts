import type { Clock, ClockTimer } from "../../../lib/index.js";
import { VirtualClock } from "../../support/virtual-clock.js";

interface Sleep {
  readonly ms: number;
  readonly endedAt: number;
}

/** One machine: its time, which stands still until it is told to go on, and which all processes on it see. */
export class Machine {
  readonly #clock = new VirtualClock();
  #setBackMs = 0;
  readonly #setBacks: number[] = [];
  #steps = 0;
  readonly #sleeps: Sleep[] = [];

  /** What its clock says. */
  get now(): number {
    return this.#clock.now();
  }

  /** How long it has run, in milliseconds since some moment: what its clock was set forth included, never less than before. */
  get elapsed(): number {
    return this.now + this.#setBackMs;
  }

  /** What its clock said each time that it had just been set back. */
  get setBacks(): readonly number[] {
    return this.#setBacks;
  }

  /** How many callbacks of its processes have run: what has the same number happened in one step, in which nobody else can do anything. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether its clock was set forth by so much since then. */
  hasSlept(ms: number, since: number): boolean {
    return this.#sleeps.some((sleep) => sleep.ms >= ms && sleep.endedAt >= since);
  }

  createClock(): ProcessClock {
    return new ProcessClock(this.#clock, () => {
      this.#steps += 1;
    });
  }

  /** Time passes, and whatever is due meanwhile is done at its time. */
  pass(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  /** Everybody does what is to be done now. */
  settle(): Promise<void> {
    return this.#clock.settle();
  }

  /** One turn of everybody's event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.turn(resolve));
  }

  /** The clock is set, or the machine slept: what became due meanwhile is done afterwards. */
  async step(ms: number): Promise<void> {
    // Not amid what a process does.
    await this.turn();
    if (ms > 0) this.#sleeps.push({ ms, endedAt: this.elapsed + ms });
    if (ms < 0) {
      this.#setBackMs -= ms;
      this.#setBacks.push(this.now + ms);
    }
    this.#clock.setTime(this.now + ms);
    await this.#clock.advance(0);
  }
}

/** The clock of one process, which can be stopped, as by SIGSTOP, and goes on later as if nothing had been; or never, as after SIGKILL. */
export class ProcessClock implements Clock {
  readonly #machine: VirtualClock;
  readonly #onStep: () => void;
  readonly #armed = new Set<ClockTimer>();
  #isStalled = false;
  #kept: (() => void)[] = [];

  constructor(machine: VirtualClock, onStep: () => void) {
    this.#machine = machine;
    this.#onStep = onStep;
  }

  /** Armed, neither run nor cancelled. */
  get pendingTimers(): number {
    return this.#armed.size;
  }

  now(): number {
    return this.#machine.now();
  }

  at(dueMs: number, run: () => void): ClockTimer {
    const timer = this.#machine.at(dueMs, () =>
      this.#runOrKeep(() => {
        if (this.#armed.delete(armed)) run();
      }),
    );
    const armed: ClockTimer = {
      cancel: () => {
        this.#armed.delete(armed);
        timer.cancel();
      },
    };
    this.#armed.add(armed);
    return armed;
  }

  turn(run: () => void): void {
    this.#machine.turn(() => this.#runOrKeep(run));
  }

  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    const kept = this.#kept;
    this.#kept = [];
    for (const run of kept) this.turn(run);
  }

  #runOrKeep(run: () => void): void {
    if (this.#isStalled) {
      this.#kept.push(run);
      return;
    }
    this.#onStep();
    run();
  }
}
