import { isMqError } from "../errors.js";
import type { EngineRow } from "../store/engine-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Company } from "./company.js";
import type { Engine } from "./engine.js";

/** How soon a process that is provably gone is found out. */
const LOOK_MS = 250;
/** Whoever did not look for so long slept or was stopped, perhaps with the whole machine. */
const LONGEST_GAP_MS = 2_000;
/** An engine that is there is heard of so often within its lease. */
const BEATS_A_LEASE = 3;

/** What was seen of another engine. */
interface Sighting {
  readonly beats: number;
  /** When it was first seen so. */
  readonly since: number;
  /** It began to count anew since, because this engine had not looked for long. */
  readonly wasExcused: boolean;
}

interface Waiter {
  readonly engineKey: number;
  readonly beats: number;
  readonly decided: (isThere: boolean) => void;
}

export interface PeersOptions {
  readonly engine: Engine;
  readonly company: Company;
  /** For how long something takes. */
  readonly clock: Clock;
  readonly events: EventHub;
  readonly leaseMs: number;
  /** Whether this engine has members, or one is about to join. */
  readonly isNeeded: () => boolean;
  /** Rows of engines that are gone were deleted. */
  readonly onGone: () => void;
}

/**
 * The other engines with consumers on the store: this one tells them that it is there, and deletes the rows of those that are gone.
 *
 * An engine is gone when its process provably is, or when nothing was heard of it for as long as its lease says. That is measured by the one who waits, from
 * when he saw its last beat: clocks of different processes are not compared, and whoever comes later gives everybody a whole lease. An engine that
 * is alone does not beat.
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #seen = new Map<number, Sighting>();
  readonly #waiters = new Set<Waiter>();
  #lastLook = Number.NEGATIVE_INFINITY;
  #lastBeat = Number.NEGATIVE_INFINITY;
  #beating: Promise<boolean> | undefined;
  /** Of a lease that could not be renewed. */
  #retry: ClockTimer | undefined;
  #isTakingOver = false;
  #timer: ClockTimer | undefined;
  #isClosed = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Engines joined or left: these are there now. */
  met(engines: readonly EngineRow[]): void {
    if (this.#isClosed) return;
    const others = this.#observe(engines);
    if (others.some(({ isNew }) => isNew)) void this.#beat();
    if (others.length > 0) this.#lookLater();
    else this.#stop();
  }

  /** Whether it is there, once it has beaten again or is gone. */
  isThere({ engineKey, beats }: EngineRow): Promise<boolean> {
    return new Promise((decided) => {
      if (this.#isClosed) decided(false);
      else this.#waiters.add({ engineKey, beats, decided });
    });
  }

  /** Whether others, if there are any, have heard of this engine within half of its lease. */
  get isLeaseFresh(): boolean {
    if (this.#seen.size === 0 || this.#isClosed) return true;
    const { clock, leaseMs } = this.#options;
    return clock.now() - this.#lastBeat < leaseMs / 2;
  }

  /** Beats, and calls `then` afterwards; where it failed a little later. */
  renewLease(then: () => void): void {
    const { clock } = this.#options;
    void this.#beat().then((isTold) => {
      if (isTold || this.#isClosed) then();
      else this.#retry = clock.at(clock.now() + LOOK_MS, then);
    });
  }

  /** Somebody has committed: it may be a beat that is waited for. */
  commitSeen(): void {
    if (this.#waiters.size > 0) this.#look();
    else if (this.#seen.size > 0) this.#lookLater();
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    this.#retry?.cancel();
    for (const { decided } of this.#waiters) decided(false);
    this.#waiters.clear();
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #lookLater(): void {
    const { clock } = this.#options;
    this.#timer ??= clock.at(clock.now() + LOOK_MS, () => {
      this.#timer = undefined;
      this.#look();
      if (!this.#isClosed && this.#seen.size > 0) this.#lookLater();
    });
  }

  #look(): void {
    const { engine, clock, leaseMs, isNeeded } = this.#options;
    // Whoever does not beat himself is not heard of by the others.
    if (!isNeeded()) this.#seen.clear();
    if (this.#isClosed || !isNeeded() || engine.isInForeignTransaction || !engine.isUsable) return;
    let others: readonly Other[];
    try {
      others = this.#observe(engine.reads.readNow(() => engine.store.engines.list()));
    } catch (error) {
      this.#report(error, "looking for other processes");
      return;
    }
    const now = clock.now();
    if (others.length > 0 && now - this.#lastBeat >= leaseMs / BEATS_A_LEASE) void this.#beat();
    const gone = others.filter(({ isGone }) => isGone);
    if (gone.length > 0) this.#takeOver(gone.map(({ row }) => row));
  }

  #observe(engines: readonly EngineRow[]): readonly Other[] {
    const { clock, company } = this.#options;
    const { claims } = company;
    const now = clock.now();
    const gap = now - this.#lastLook;
    this.#lastLook = now;
    const others = engines.filter(({ engineKey }) => engineKey !== claims.engineKey);
    const present = new Set(others.map(({ engineKey }) => engineKey));
    for (const engineKey of this.#seen.keys()) if (!present.has(engineKey)) this.#seen.delete(engineKey);
    const observed = others.map((row): Other => {
      const known = this.#seen.get(row.engineKey);
      const isSilent = known?.beats === row.beats;
      // Whoever slept gives the others, who may have slept as well, a whole lease. Once, as he may simply be busy, unless he slept for longer.
      const isExcused = gap > (known?.wasExcused === true ? row.leaseMs : LONGEST_GAP_MS);
      const since = isSilent && !isExcused ? known.since : now;
      const wasExcused = isSilent && (isExcused || known.wasExcused);
      this.#seen.set(row.engineKey, { beats: row.beats, since, wasExcused });
      const isExpired = isSilent && now - since >= row.leaseMs;
      return { row, isNew: known === undefined, isGone: isExpired || company.isGone(row) };
    });
    this.#decide(engines);
    return observed;
  }

  #decide(engines: readonly EngineRow[]): void {
    for (const waiter of this.#waiters) {
      const row = engines.find(({ engineKey }) => engineKey === waiter.engineKey);
      if (row?.beats === waiter.beats) continue;
      this.#waiters.delete(waiter);
      waiter.decided(row !== undefined);
    }
  }

  /** Resolves with whether the others are told. */
  #beat(): Promise<boolean> {
    this.#beating ??= this.#tell().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  async #tell(): Promise<boolean> {
    const { engine, company, clock } = this.#options;
    const { claims } = company;
    try {
      // When it was written: this process may be stopped before it goes on here.
      this.#lastBeat = await engine.write(() => {
        claims.refresh();
        if (claims.engineKey !== undefined) engine.store.engines.beat(claims.engineKey);
        return clock.now();
      });
      return true;
    } catch (error) {
      this.#report(error, "telling other processes that this one is there");
      return false;
    }
  }

  /** Unless one of them has beaten meanwhile, or somebody else was faster. */
  #takeOver(gone: readonly EngineRow[]): void {
    if (this.#isTakingOver) return;
    this.#isTakingOver = true;
    const { engine, company, onGone } = this.#options;
    engine
      .write(() => {
        for (const { engineKey, beats } of gone) {
          const row = engine.store.engines.find(engineKey);
          if (row !== undefined && (row.beats === beats || company.isGone(row))) company.claims.removeEngine(engineKey);
        }
      })
      .then(onGone, (error: unknown) => this.#report(error, "taking over from a process that is gone"))
      .finally(() => {
        this.#isTakingOver = false;
      });
  }

  /** It is tried again with the next look. Somebody's lock is no failure. */
  #report(error: unknown, doing: string): void {
    if (this.#isClosed || !this.#options.engine.isUsable || isMqError(error, "ERR_MQ_SYSTEM_BUSY")) return;
    this.#options.events.error(toMqError(error, doing));
  }
}

interface Other {
  readonly row: EngineRow;
  readonly isNew: boolean;
  readonly isGone: boolean;
}
