import { GroupQueueModel } from "./group-queue-model.js";
import { type Delivered, Hold, type ModelMember } from "./hold.js";
import type { ProcessTrust } from "./process-trust.js";

/** What a pull consumer is told. */
export interface PullSettings {
  readonly autoCommit: boolean;
  readonly autoCommitIntervalMs: number;
  readonly batchSize: number;
}

export interface PullMember extends ModelMember {
  readonly settings: PullSettings;
}

/** A seek that has not ended. */
export interface Seek {
  readonly target: number;
  /** It may be refused; then the queue goes on where it was. */
  readonly mayFail: boolean;
}

export class PullHold extends Hold {
  declare readonly owner: PullMember;
  /** Where it may go on; `undefined`: where the group does. */
  places: readonly number[] | undefined;
  readonly seeks = new Set<Seek>();
  /** Nothing from this offset on was there when the queue was paused; `undefined`: it is not. */
  pausedAt: number | undefined;
}

/** Progress that somebody was to store. */
interface Told {
  readonly offset: number;
  /** `undefined`: it is stored. */
  readonly hold: PullHold | undefined;
  readonly isCertain: boolean;
}

/**
 * What the pull consumers of a group may get of one message queue, and how far it has come.
 *
 * A member gets one message after the other, from where the group's progress is when it takes the queue; a seek moves it. Progress is what somebody commits: one
 * of what was told since it was last looked at, and the last of that in the end. What a member told whose process was silent, or is killed, may be lost.
 */
export class PullQueueModel extends GroupQueueModel<PullHold> {
  /** What is stored, and what was told since, one after the other. */
  #told: Told[] = [{ offset: 0, hold: undefined, isCertain: true }];
  /** What may be stored at any time, by commits that are under way. */
  readonly #perhaps = new Set<{ readonly offset: number; readonly hold: PullHold }>();
  /** How often progress was told. */
  #tellings = 0;
  /** What each member dropped last. */
  readonly #dropped = new Map<ModelMember, PullHold>();
  /** Who got a message last. */
  #last: PullHold | undefined;

  createHold(owner: ModelMember): PullHold {
    return new PullHold(this.name, owner);
  }

  delivered(known: PullHold, batch: readonly Delivered[]): void {
    const dropped = this.#happenedNow(this.#dropped.get(known.owner));
    const hold = known.isOver && dropped !== undefined ? dropped : known;
    const names = batch.map(({ message, queueOffset }) => `${message.name} at ${queueOffset}`);
    const what = `${names.join(", ")} for ${hold.owner.clientId}`;
    const [first, last] = [batch[0] as Delivered, batch.at(-1) as Delivered];
    this.countDeliveries(batch);
    const isLate = hold !== known;
    if (hold.isOver && !isLate) this.broken(`${what}, who has dropped the queue`);
    if (!isLate) this.#takeOver(hold, what);
    // It may have been before the queue went and came back.
    const isEither = !isLate && dropped !== undefined;
    const places = [...this.#placesOf(hold), ...(isEither ? this.#placesOf(dropped) : [])];
    if (!places.some((place) => this.isNext(place, first.queueOffset)))
      this.broken(`${what}, where ${[...new Set(places)].join(" or ")} comes next`);
    this.checkBatch(batch, what);
    for (const { message, deliveryAttempt } of batch)
      if (deliveryAttempt !== 1) this.broken(`${what}: ${message.name} as attempt ${deliveryAttempt}`);
    // A queue that goes and comes back is not paused.
    if (!hold.wasHeardOf) hold.pausedAt = undefined;
    if (hold.pausedAt !== undefined && last.queueOffset >= hold.pausedAt) this.broken(`${what}, who has paused it`);
    hold.seeks.clear();
    hold.places = isEither ? [last.queueOffset + 1, ...this.#starts()] : [last.queueOffset + 1];
    if (!isLate) hold.confirm();
    else if (hold.owner.settings.autoCommit) this.tell(hold);
  }

  /** It commits how far it is. @returns what is to be called when that, and what is stored now, is known to be stored */
  tell(hold: PullHold): () => void {
    const { places = [], seeks } = hold;
    const all = [...new Set([...places, ...[...seeks].map(({ target }) => target)])];
    const isCertain = all.length === 1 && seeks.size === 0 && hold.isSure;
    for (const offset of all) this.#told.push({ offset, hold, isCertain });
    if (all.length > 0) this.#tellings += 1;
    const telling = this.#tellings;
    return () => {
      if (isCertain && hold.isSure && this.#perhaps.size === 0) this.checkStored(telling);
    };
  }

  /** It commits this. @returns what is to be called when that has ended. */
  tells(hold: PullHold, offset: number): { succeeded(): void; failed(): void } {
    const perhaps = { offset, hold };
    const telling = this.#tellings;
    // Where it begins is not known to have been asked for before.
    hold.places ??= [...this.#starts(), offset];
    this.#perhaps.add(perhaps);
    return {
      succeeded: () => {
        this.#perhaps.delete(perhaps);
        if (this.#tellings !== telling) {
          this.#told.push({ offset, hold, isCertain: false });
          return;
        }
        this.#told.push({ offset, hold, isCertain: this.#perhaps.size === 0 });
        this.#tellings += 1;
      },
      failed: () => {
        this.#perhaps.delete(perhaps);
        this.#told.push({ offset, hold, isCertain: false });
      },
    };
  }

  /** @returns what is to be called when that has ended. */
  seeks(hold: PullHold, target: number): { succeeded(): void; failed(): string | undefined } {
    const mayFail = target > this.length || hold.isOver || !hold.isSure;
    const seek = { target, mayFail };
    hold.seeks.add(seek);
    return {
      succeeded: () => {
        if (target > this.length) this.broken(`a seek to ${target}, behind the end`);
        // Where it was not there any more it has gone on from there.
        if (!hold.seeks.delete(seek)) return;
        hold.places = [target];
        if (hold.pausedAt !== undefined) hold.pausedAt = 0;
      },
      failed: () => {
        hold.seeks.delete(seek);
        return mayFail || hold.isOver || !hold.isSure ? undefined : `a seek to ${target} is refused`;
      },
    };
  }

  pause(hold: PullHold): void {
    hold.pausedAt ??= this.length;
  }

  resume(hold: PullHold): void {
    hold.pausedAt = undefined;
  }

  /** Whatever was pulled of it is forgotten. */
  refiltered(hold: PullHold): void {
    if (hold.pausedAt !== undefined) hold.pausedAt = 0;
  }

  over(hold: PullHold): void {
    if (hold.isOver) return;
    if (hold.owner.settings.autoCommit) this.tell(hold);
    hold.isOver = true;
    const { elapsed, steps } = this.surroundings.machine;
    hold.overAt = elapsed;
    hold.overIn = steps;
    this.#dropped.set(hold.owner, hold);
  }

  killed(process: ProcessTrust, stored: number): void {
    this.progressed(stored);
    this.#told = this.#told.filter(({ hold }) => hold?.owner.process !== process);
    for (const perhaps of this.#perhaps) if (perhaps.hold.owner.process === process) this.#perhaps.delete(perhaps);
    if (this.#last?.owner.process === process) this.#last.isOver = true;
  }

  progressed(offset: number): void {
    const index = this.#told.findIndex((told) => this.#isSame(told.offset, offset));
    const isPerhaps = [...this.#perhaps].some((perhaps) => this.#isSame(perhaps.offset, offset));
    if (index === -1 && !isPerhaps) {
      const told = this.#told.map((one) => `${one.offset}${one.isCertain ? "" : "?"}`);
      this.broken(`its progress is ${offset}, and was to be ${told.join(" or ")}`);
    }
    const later = this.#told.slice(Math.max(index, 0) + 1);
    this.#told = [{ offset, hold: undefined, isCertain: true }, ...later];
  }

  surelyDone(): number | undefined {
    const isMoving = this.#told.some(
      ({ hold }) => hold?.wasHeardOf === false || hold?.owner.process.isStalled === true,
    );
    return isMoving || this.#perhaps.size > 0 ? undefined : this.#tellings;
  }

  checkStored(tellings: number): void {
    if (tellings !== this.#tellings) return;
    const [stored, ...others] = this.#told as [Told, ...Told[]];
    const certain = others.findLast(({ isCertain }) => isCertain);
    if (certain === undefined) return;
    const since = others.slice(others.indexOf(certain));
    if (!since.some(({ offset }) => this.#isSame(offset, stored.offset)))
      this.broken(`its progress is ${stored.offset}, though ${certain.offset} was committed`);
  }

  undelivered(): number | undefined {
    const { length } = this;
    const last = this.#last;
    if (last === undefined || last.isOver) return this.firstWanted(Math.max(...this.#starts()), length);
    return last.isSure ? this.firstWanted(Math.max(...this.#placesOf(last)), length) : undefined;
  }

  unfinished(): number | undefined {
    return this.firstWanted((this.#told[0] as Told).offset, this.length);
  }

  /** One member at a time has it. */
  #takeOver(hold: PullHold, what: string): void {
    const last = this.#last;
    this.#last = hold;
    if (last === undefined || last === hold || last.isOver) return;
    if (last.isSure) this.broken(`${what}, while ${last.owner.clientId} has the queue`);
    this.over(last);
  }

  #placesOf(hold: PullHold): readonly number[] {
    const { places, seeks } = hold;
    const targets = [...seeks].map(({ target }) => target);
    if (targets.length > 0 && [...seeks].every(({ mayFail }) => !mayFail)) return targets;
    if (places === undefined) return [...targets, ...this.#starts()];
    return hold.wasHeardOf ? [...targets, ...places] : [...targets, ...places, ...this.#starts()];
  }

  /** Where whoever takes the queue may begin. */
  #starts(): readonly number[] {
    const last = this.#told.findLastIndex(({ hold, isCertain }) => isCertain && hold?.wasHeardOf !== false);
    const perhaps = [...this.#perhaps].map(({ offset }) => offset);
    return [...this.#told.slice(Math.max(last, 0)).map(({ offset }) => offset), ...perhaps];
  }

  /** What lies between them nobody wants. */
  #isSame(a: number, b: number): boolean {
    return this.firstWanted(Math.min(a, b), Math.max(a, b)) === undefined;
  }

  /** In the same step, of which nobody can say what came first. */
  #happenedNow(dropped: PullHold | undefined): PullHold | undefined {
    return dropped?.overIn === this.surroundings.machine.steps ? dropped : undefined;
  }
}
