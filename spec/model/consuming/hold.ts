import type { SentMessage } from "./message-book.js";
import type { ProcessTrust } from "./process-trust.js";

/** A member of a group, as the model sees it. */
export interface ModelMember {
  readonly clientId: string;
  readonly process: ProcessTrust;
  /** Of its kind. */
  readonly settings: unknown;
  /** By name of the queue: those of its share, whether it has them already or not. */
  readonly holds: Map<string, Hold>;
  /** Its close does not wait for its listeners: from now on it may have dropped its queues. */
  isLeavingInHaste: boolean;
}

/** A queue in the hands of a member, from when it comes into its share until the member drops it; the next time it is another hold. */
export class Hold {
  /** Its name. */
  readonly queue: string;
  readonly owner: ModelMember;
  isOver = false;
  overAt = Number.POSITIVE_INFINITY;
  /** In which step of the machine. */
  overIn = Number.POSITIVE_INFINITY;
  /** The offset that it goes on at; `undefined` until its first message. */
  position: number | undefined;
  /** Other offsets that it may go on at, because of what it got while that was doubtful. */
  readonly otherPositions = new Set<number>();
  #silences: number;

  constructor(queue: string, owner: ModelMember) {
    this.queue = queue;
    this.owner = owner;
    this.#silences = owner.process.silences;
  }

  /** Nobody can have taken the queue from it, nor has it kept to itself what it did with it. */
  get wasHeardOf(): boolean {
    const { process } = this.owner;
    return process.silences === this.#silences && !process.isSilent;
  }

  /** It has the queue, unless it is over. */
  get isSure(): boolean {
    return this.wasHeardOf && !this.owner.isLeavingInHaste;
  }

  /** It may have lost the queue without knowing. */
  get isDoubtful(): boolean {
    const { process } = this.owner;
    return process.isSilent || (process.isCatchingUp && process.silences !== this.#silences);
  }

  /** It has the queue, whatever happened. */
  confirm(): void {
    this.otherPositions.clear();
    this.#silences = this.owner.process.silences;
  }
}

/** A message in a call of a listener. */
export interface Delivered {
  readonly message: SentMessage;
  readonly queueOffset: number;
  readonly deliveryAttempt: number;
}

/** One call of a listener. */
export class Call<H extends Hold = Hold> {
  readonly hold: H;
  readonly batch: readonly Delivered[];
  /** It may be another's. */
  readonly isDoubtful: boolean;
  /** What it says counts no more: it ran out of time. */
  hasTimedOut = false;
  readonly #silences: number;
  readonly #startedAt: number;

  constructor(hold: H, batch: readonly Delivered[], startedAt: number) {
    const { process } = hold.owner;
    this.hold = hold;
    this.batch = batch;
    this.isDoubtful = hold.isDoubtful;
    this.#silences = process.silences;
    this.#startedAt = startedAt;
  }

  /** Others may have taken its process for gone or its lock as run out, or it did not know that the queue was theirs. */
  get wasSilent(): boolean {
    const { process } = this.hold.owner;
    if (this.isDoubtful || process.isSilent || process.silences !== this.#silences) return true;
    return process.hasLostLocks(this.#startedAt);
  }

  get first(): Delivered {
    return this.batch[0] as Delivered;
  }

  /** Behind its last message. */
  get end(): number {
    return (this.batch.at(-1) as Delivered).queueOffset + 1;
  }

  toString(): string {
    const names = this.batch.map(({ message, queueOffset }) => `${message.name} at ${queueOffset}`);
    return `${names.join(", ")} for ${this.hold.owner.clientId}`;
  }
}
