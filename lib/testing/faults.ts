import type { MqError } from "../errors.js";
import { diskFault, sendFault } from "./send-fault.js";

/**
 * What can go wrong on purpose. Each is undone by `reset()` and by the function it returns, which may be called again. What several of them say of the same thing
 * adds up: the first that refuses a send refuses it, delays add.
 */
export interface Faults {
  /**
   * Sends are refused, before anything is stored, with this response code of RocketMQ's and the `MqError` that belongs to it: 1, 2, 13, 14, 16, 17, 215.
   */
  failSend(options: {
    /** The first one to refuse, counted from now on. @defaultValue 1 */
    readonly nth?: number | undefined;
    /** How many. @defaultValue 1 with `nth`, else all from then on */
    readonly times?: number | undefined;
    /** Only sends to this one are refused, and counted. @defaultValue all */
    readonly topic?: string | undefined;
    readonly responseCode: number;
  }): () => void;
  /**
   * Sends take this long, in virtual time, to reach the broker; one whose time-out is over before fails with `ERR_MQ_TIMEOUT` and is never stored. Those of one producer
   * stay in order. Not for `sendSync`, within which no time passes.
   */
  slowSend(options: { readonly byMs: number; readonly topic?: string | undefined }): () => void;
  /**
   * Acknowledgements do not reach the broker. Progress of push and pull consumers is lost in silence, as over RocketMQ's wire, and covered by what is acknowledged later: it shows when
   * somebody else goes on where the group was, after {@link Faults.crash} for example. `ack` of a simple consumer rejects with `ERR_MQ_TIMEOUT`, and the message comes again.
   *
   * All acknowledgements, or so many.
   */
  loseAck(options?: { readonly group?: string | undefined; readonly times?: number | undefined }): () => void;
  /**
   * Messages are delivered once more after they were consumed, with the same attempt. Of a pull consumer right after they were handed out; of a simple consumer `ack` has no effect, so
   * that the message comes again when its invisible duration is over.
   *
   * All messages, each once, or so many.
   */
  duplicateDelivery(options?: { readonly group?: string | undefined; readonly times?: number | undefined }): () => void;
  /**
   * What a transaction producer says of its transactions does not reach the broker, answers to checks included: the half message is asked for later, or again. `sendInTransaction` does not notice, as over RocketMQ's
   * wire; `commit` and `rollback` of a transaction reject with `ERR_MQ_TIMEOUT`.
   *
   * All ends, or so many.
   */
  loseEndTransaction(options?: {
    readonly producerGroup?: string | undefined;
    readonly times?: number | undefined;
  }): () => void;
  /**
   * Nothing passes between this consumer and the broker: no message, no acknowledgement, no heartbeat. After 120 s of silence the broker gives its queues to others, as RocketMQ does, and locks
   * of an orderly consumer end after 60 s. Undone, it registers again and goes on.
   *
   * @throws `MqError` `ERR_MQ_INVALID_ARGUMENT` for a client that there is not.
   */
  partition(clientId: string): () => void;
  /** The disk is full: sends are refused with response code 14 and RocketMQ's remark; what reads or acknowledges goes on. `disk:full` is told, and `disk:recovered` when it is undone. */
  fillDisk(): () => void;
  /** Sets the clock, forth or back, as an administrator does; nothing runs before time is moved next, or `runUntilIdle` is called. */
  jumpClock(byMs: number): void;
  /**
   * The process dies and starts again: what was not committed is lost, all clients of before are dead, and so is `database` of a broker on a path. Faults stay as they are, and
   * so do the history and the listeners of events.
   */
  crash(): Promise<void>;
}

/** Says of each thing in turn whether it goes wrong. */
class Turns {
  #passed: number;
  #left: number;

  constructor(nth: number, times: number) {
    this.#passed = nth - 1;
    this.#left = times;
  }

  get isNext(): boolean {
    return this.#passed === 0 && this.#left > 0;
  }

  take(): boolean {
    if (this.#passed > 0) {
      this.#passed -= 1;
      return false;
    }
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}

interface SendFault {
  readonly topic: string | undefined;
  readonly responseCode: number;
  readonly turns: Turns;
}

interface Delay {
  readonly topic: string | undefined;
  readonly byMs: number;
}

interface GroupFault {
  readonly group: string | undefined;
  readonly turns: Turns;
}

/** Which faults are set now. */
export class FaultPlan {
  readonly #sendFaults = new Set<SendFault>();
  readonly #delays = new Set<Delay>();
  readonly #lostAcks = new Set<GroupFault>();
  readonly #duplicates = new Set<GroupFault>();
  readonly #lostEnds = new Set<GroupFault>();
  readonly #undo = new Set<() => void>();
  #fullDisks = 0;

  failSends(topic: string | undefined, responseCode: number, nth: number, times: number): () => void {
    return this.#set(this.#sendFaults, { topic, responseCode, turns: new Turns(nth, times) });
  }

  slowSends(topic: string | undefined, byMs: number): () => void {
    return this.#set(this.#delays, { topic, byMs });
  }

  loseAcks(group: string | undefined, times: number): () => void {
    return this.#set(this.#lostAcks, { group, turns: new Turns(1, times) });
  }

  duplicate(group: string | undefined, times: number): () => void {
    return this.#set(this.#duplicates, { group, turns: new Turns(1, times) });
  }

  loseEnds(producerGroup: string | undefined, times: number): () => void {
    return this.#set(this.#lostEnds, { group: producerGroup, turns: new Turns(1, times) });
  }

  /** @param tell - that it is full, and that it is no longer. */
  fillDisk(tell: (isFull: boolean) => void): () => void {
    this.#fullDisks += 1;
    if (this.#fullDisks === 1) tell(true);
    return this.undoing(() => {
      this.#fullDisks -= 1;
      if (this.#fullDisks === 0) tell(false);
    });
  }

  /** What else is undone with the others. @returns `undo`, which has an effect once. */
  undoing(undo: () => void): () => void {
    const once = (): void => {
      if (this.#undo.delete(once)) undo();
    };
    this.#undo.add(once);
    return once;
  }

  /** With what a send to this topic is refused. */
  takeSendFault(topic: string): MqError | undefined {
    let code: number | undefined;
    for (const fault of this.#sendFaults)
      if (matches(fault.topic, topic) && fault.turns.take()) code ??= fault.responseCode;
    if (this.#fullDisks > 0) return diskFault();
    return code === undefined ? undefined : sendFault(code);
  }

  delayOf(topic: string): number {
    let sum = 0;
    for (const delay of this.#delays) if (matches(delay.topic, topic)) sum += delay.byMs;
    return sum;
  }

  /** Whether {@link FaultPlan.takeLostAck} would be true. */
  losesAck(group: string): boolean {
    return [...this.#lostAcks].some((fault) => matches(fault.group, group) && fault.turns.isNext);
  }

  takeLostAck(group: string): boolean {
    return takeOne(this.#lostAcks, group);
  }

  takeDuplicate(group: string): boolean {
    return takeOne(this.#duplicates, group);
  }

  /** Of a transaction. */
  takeLostEnd(producerGroup: string): boolean {
    return takeOne(this.#lostEnds, producerGroup);
  }

  clear(): void {
    for (const undo of [...this.#undo]) undo();
  }

  #set<T>(faults: Set<T>, fault: T): () => void {
    faults.add(fault);
    return this.undoing(() => faults.delete(fault));
  }
}

function takeOne(faults: ReadonlySet<GroupFault>, group: string): boolean {
  for (const fault of faults) if (matches(fault.group, group) && fault.turns.take()) return true;
  return false;
}

function matches(wanted: string | undefined, name: string): boolean {
  return wanted === undefined || wanted === name;
}
