import { MqError } from "../errors.js";
import { prepare, type SqliteConnection, type SqliteStatement } from "../store/sqlite.js";
import { isDiskFull, isWholeBatchError } from "../store/sqlite-error.js";
import type { ConsumeProgress } from "./consume-progress.js";
import type { Dedup } from "./dedup.js";
import type { AcknowledgedPlace, Effect, EffectQueue } from "./dedup-port.js";
import type { Write } from "./pending-writes.js";

export interface EffectParts {
  readonly connection: SqliteConnection;
  readonly dedup: Dedup;
  readonly progress: ConsumeProgress;
  /** {@link GuestAppend.within} */
  readonly within: (work: () => void) => void;
  /** A savepoint was undone: forget what is cached. */
  readonly undone: () => void;
  /** An effect failed, perhaps because the disk is full. */
  readonly failed: (error: unknown) => void;
}

/** Each effect is made behind one of these. */
export class EffectSavepoint {
  readonly #set: SqliteStatement;
  readonly #release: SqliteStatement;
  readonly #undo: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#set = prepare(connection, "SAVEPOINT mq_effect");
    this.#release = prepare(connection, "RELEASE mq_effect");
    this.#undo = prepare(connection, "ROLLBACK TO mq_effect");
  }

  set(): void {
    this.#set.run();
  }

  release(): void {
    this.#release.run();
  }

  undo(): void {
    this.#undo.run();
    this.#release.run();
  }
}

/** The transaction is not the one that was begun: what was written in it is stored, or is not. Not the driver's error, so that the others are tried again without whoever ended it. */
class TransactionEnded extends Error {
  override readonly name: string = "TransactionEnded";
}

/** Messages of one queue that are acknowledged together. */
interface Acknowledgement {
  readonly group: string;
  readonly instance: AcknowledgedPlace["instance"];
  readonly places: Set<object>;
}

/**
 * Effects that are stored in one transaction: for each a savepoint, its key and what it does; at the end the offsets of the messages that are acknowledged
 * with them. An effect that fails is undone alone. It is alone in its flush: what an effect sends goes the way of {@link GuestAppend}, which may forget what was
 * collected before.
 */
export class EffectWrite implements Write {
  readonly bytes: number = 0;
  readonly isAlone: boolean = true;
  readonly deadline: number;
  readonly #parts: EffectParts;
  readonly #savepoint: EffectSavepoint;
  readonly #effects: Effect[] = [];
  /** Those that failed, and with each nobody else. */
  #failures = new Map<Effect, unknown>();
  /** Of them those that ended the transaction: they are not tried again. */
  readonly #excluded = new Map<Effect, MqError>();
  #isOpen = true;

  constructor(deadline: number, parts: EffectParts, savepoint: EffectSavepoint) {
    this.deadline = deadline;
    this.#parts = parts;
    this.#savepoint = savepoint;
  }

  /** False once it takes no more. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get count(): number {
    return this.#effects.length;
  }

  close(): void {
    this.#isOpen = false;
  }

  add(effect: Effect): void {
    this.#effects.push(effect);
  }

  cost(): number {
    return this.#effects.length;
  }

  split(): readonly EffectWrite[] {
    return this.#effects.map((effect) => {
      const write = new EffectWrite(this.deadline, this.#parts, this.#savepoint);
      write.add(effect);
      return write;
    });
  }

  /** Also again, in another transaction. */
  apply(): void {
    this.#isOpen = false;
    this.#failures = new Map(this.#excluded);
    const acknowledgements = new Map<EffectQueue, Acknowledgement>();
    this.#parts.within(() => {
      for (const effect of this.#effects) if (!this.#excluded.has(effect)) this.#make(effect);
    });
    for (const effect of this.#effects) {
      const { group, acknowledged } = effect;
      if (acknowledged === undefined || this.#failures.has(effect)) continue;
      const { queue, place, instance } = acknowledged;
      const ofQueue = acknowledgements.get(queue);
      if (ofQueue === undefined) acknowledgements.set(queue, { group, instance, places: new Set([place]) });
      else ofQueue.places.add(place);
    }
    for (const [queue, acknowledgement] of acknowledgements) this.#acknowledge(queue, acknowledgement);
  }

  committed(): void {
    const failures = this.#failures;
    for (const effect of this.#effects) {
      if (failures.has(effect)) effect.failed(failures.get(effect));
      else effect.stored();
    }
  }

  failed(error: unknown): void {
    for (const effect of this.#effects) effect.failed(this.#excluded.get(effect) ?? error);
  }

  #make(effect: Effect): void {
    const { dedup } = this.#parts;
    this.#savepoint.set();
    let failure: { readonly error: unknown } | undefined;
    const recorded = dedup.record(effect, effect.retainMs);
    if (recorded === "recorded") {
      try {
        effect.run();
      } catch (error) {
        failure = { error };
      }
    } else if (recorded === "busy") {
      failure = { error: busyError(effect.group) };
    }
    if (failure === undefined) this.#release(effect);
    else this.#undo(effect, failure.error);
  }

  #undo(effect: Effect, error: unknown): void {
    if (isDiskFull(error)) this.#parts.failed(error);
    this.#failures.set(effect, error);
    try {
      this.#savepoint.undo();
    } catch (undoing) {
      this.#throwUnlessDriverFailed(effect, undoing, error);
    }
    this.#parts.undone();
  }

  #release(effect: Effect): void {
    try {
      this.#savepoint.release();
    } catch (error) {
      this.#throwUnlessDriverFailed(effect, error, undefined);
    }
  }

  /** Its savepoint is gone where the transaction was ended, whether another one was begun or not. */
  #throwUnlessDriverFailed(effect: Effect, error: unknown, thrown: unknown): never {
    if (isWholeBatchError(error)) throw error;
    return this.#throwEnded(effect, thrown);
  }

  /** @param thrown - by the effect. */
  #throwEnded(effect: Effect, thrown: unknown): never {
    const ofDriver = wholeBatchError(thrown);
    // The disk is full, for everybody.
    if (ofDriver !== undefined) throw ofDriver;
    this.#excluded.set(
      effect,
      new MqError(
        "ERR_MQ_SERVICE_NOT_AVAILABLE",
        "SQLite ended the transaction of an effect and rolled it back, which it does when the disk is full; or the effect ended it itself, which it must not",
        { cause: thrown },
      ),
    );
    throw new TransactionEnded("the transaction of effects was ended");
  }

  #acknowledge(queue: EffectQueue, { group, instance, places }: Acknowledgement): void {
    const offset = queue.commitOffsetWith(places);
    if (offset === undefined) return;
    const { ofGroups, ofInstances } = this.#parts.progress;
    const { topic, queueId } = queue.messageQueue;
    if (instance === undefined) ofGroups.raise(group, topic, queueId, offset);
    else ofInstances.raise(instance, topic, queueId, offset);
  }
}

function busyError(group: string): MqError {
  return new MqError(
    "ERR_MQ_SYSTEM_BUSY",
    `a handler of group ${group} works on the key of this message: it is retried`,
  );
}

/** What SQLite said, also where somebody has wrapped it, as `sendSync` does. */
function wholeBatchError(error: unknown): unknown {
  let cause = error;
  for (let depth = 0; depth < 10 && cause instanceof Error; depth += 1) {
    if (isWholeBatchError(cause)) return cause;
    cause = cause.cause;
  }
  return undefined;
}
