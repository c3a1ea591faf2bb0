import { GroupQueueModel } from "./group-queue-model.js";
import { Call, type Delivered, type Hold } from "./hold.js";
import type { Ended } from "./outcome.js";
import type { ProcessTrust } from "./process-trust.js";

/**
 * What the listeners of a group may get of one message queue, and how far it has come.
 *
 * A message is done when a result that counts says so, or once it was sent back. The group goes on at the lowest that is not done, whoever gets the queue. Where
 * a result may count or not, because its process was silent, that is one of several offsets, until the next message tells.
 */
export abstract class ListenedQueueModel<H extends Hold = Hold> extends GroupQueueModel<H> {
  /** Sent back, or dead: done for good, whatever happens to the progress. */
  readonly acknowledged = new Set<number>();
  protected readonly calls = new Set<Call<H>>();
  /** The lowest offset that is not done lies between these. */
  protected earliest = 0;
  protected latest = 0;
  /** Whose message was delivered last. */
  protected last: H | undefined;
  #stored = 0;

  /** It is this hold's turn. @param isContinued - it goes on where it was, and has not begun anew. */
  protected abstract began(call: Call<H>, isContinued: boolean): void;

  /** Its result counts; perhaps only, where that is not sure. */
  protected abstract count(call: Call<H>, ended: Ended, isSure: boolean): void;

  /** What the hold did above the lowest offset that is not done counts no more. */
  protected abstract forget(hold: H): void;

  /** A listener is called. */
  delivered(hold: H, batch: readonly Delivered[]): Call<H> {
    const call = new Call(hold, batch, this.surroundings.machine.elapsed);
    this.countDeliveries(batch);
    if (call.isDoubtful) {
      if (this.last === undefined || this.last.isOver) this.last = hold;
      hold.otherPositions.add(call.first.queueOffset).add(call.end);
      this.doubted(call);
      this.calls.add(call);
      return call;
    }
    if (hold.isOver) this.broken(`${call}, who has dropped the queue`);
    this.#takeOver(call);
    this.prepare(hold);
    const isContinued = this.#isContinued(call);
    if (!isContinued) this.#begin(call);
    this.checkBatch(call.batch, `${call}`);
    hold.position = call.end;
    this.began(call, isContinued);
    hold.confirm();
    this.calls.add(call);
    return call;
  }

  /** A listener ends. */
  returned(call: Call<H>, ended: Ended): void {
    const { hold, hasTimedOut, isDoubtful } = call;
    this.calls.delete(call);
    if (hold.isOver || hasTimedOut) this.ignoredResults += 1;
    else this.count(call, ended, hold.isSure && !isDoubtful);
  }

  /** The signal of a call says that it takes too long; unless its kind says otherwise its result counts all the same. */
  timedOut(_call: Call<H>): void {
    // Nothing becomes of it.
  }

  over(hold: H): void {
    if (hold.isOver) return;
    hold.isOver = true;
    const { elapsed, steps } = this.surroundings.machine;
    hold.overAt = elapsed;
    hold.overIn = steps;
    if (this.last === hold) this.pass();
  }

  killed(process: ProcessTrust, stored: number): void {
    for (const call of this.calls) if (call.hold.owner.process === process) this.calls.delete(call);
    if (this.last?.owner.process !== process) return;
    this.forget(this.last);
    this.earliest = stored;
    this.latest = stored;
  }

  /** Stored progress never passes a message that is not done, and never goes back. */
  progressed(offset: number): void {
    this.pass();
    if (offset < this.#stored) this.broken(`its progress went back from ${this.#stored} to ${offset}`);
    this.#stored = offset;
    const passed = this.firstWanted(this.latest, offset);
    if (passed !== undefined) this.broken(`its progress is ${offset}, but ${passed} is not done`);
    // What may have counted did.
    this.earliest = Math.max(this.earliest, offset);
    this.pass();
  }

  /** Everything below is done. */
  surelyDone(): number | undefined {
    this.pass();
    const { last } = this;
    if (last === undefined || !last.wasHeardOf || last.owner.process.isStalled) return undefined;
    return this.earliest;
  }

  checkStored(done: number): void {
    const missing = this.firstWanted(this.#stored, done);
    if (missing !== undefined) this.broken(`its progress is ${this.#stored}, though ${missing} is done`);
  }

  undelivered(): number | undefined {
    this.pass();
    const { last } = this;
    if (last === undefined || last.isOver) return this.firstWanted(this.earliest, this.length);
    return last.isSure && last.position !== undefined ? this.firstWanted(last.position, this.length) : undefined;
  }

  unfinished(): number | undefined {
    this.pass();
    return this.firstWanted(this.earliest, this.length);
  }

  /** The hold goes on where that call is, as far as anybody knows. */
  protected doubted(_call: Call<H>): void {
    // Nothing becomes of it.
  }

  /** The hold is about to get more. */
  protected prepare(_hold: H): void {
    // Nothing is to be made ready.
  }

  protected isDone(offset: number, _isPerhapsEnough: boolean): boolean {
    return this.acknowledged.has(offset) || this.messageAt(offset)?.isWanted === false;
  }

  protected pass(): void {
    while (this.isDone(this.earliest, false)) this.earliest += 1;
    this.latest = Math.max(this.latest, this.earliest);
    while (this.isDone(this.latest, true)) this.latest += 1;
  }

  protected doneUpTo(offset: number, isSure: boolean): void {
    if (isSure) this.earliest = offset;
    this.latest = isSure ? offset : Math.max(this.latest, offset);
  }

  protected override isGone(offset: number): boolean {
    return this.acknowledged.has(offset);
  }

  /** One member at a time has it. What one that was silent has done and not stored is lost. */
  #takeOver(call: Call<H>): void {
    const { last } = this;
    this.last = call.hold;
    if (last?.wasHeardOf === false) this.earliest = Math.min(this.earliest, this.#stored);
    if (last === undefined || last === call.hold || last.isOver) return;
    if (last.isSure) this.broken(`${call}, while ${last.owner.clientId} has the queue`);
    this.over(last);
  }

  #isContinued({ hold, first }: Call<H>): boolean {
    const { position, otherPositions, isSure } = hold;
    const { queueOffset } = first;
    const isNextAt = (offset: number): boolean => this.isNext(offset, queueOffset);
    if ((position !== undefined && isNextAt(position)) || (!isSure && [...otherPositions].some(isNextAt))) return true;
    if (position === undefined || !isSure) return false;
    this.broken(`${first.message.name} at ${queueOffset}, where ${position} comes next`);
    return true;
  }

  #begin(call: Call<H>): void {
    const { hold, first } = call;
    this.pass();
    const isTooHigh = this.firstWanted(this.latest, first.queueOffset) !== undefined;
    const lowest = this.earliest === this.latest ? `${this.latest}` : `one of ${this.earliest} to ${this.latest}`;
    if (first.queueOffset < this.earliest || isTooHigh)
      this.broken(`${call}, who begins there, though the lowest that is not done is ${lowest}`);
    this.forget(hold);
    this.earliest = first.queueOffset;
    this.latest = first.queueOffset;
  }
}
