import type { MessageView } from "../../../lib/index.js";
import {
  type DeadLettered,
  EXPECTED_WITHIN_MS,
  type ExpectedWithinMs,
  type GroupCounts,
  type GroupModel,
  type GroupSurroundings,
  type Retried,
} from "./group-model.js";
import type { ModelMember } from "./hold.js";
import { type SentMessage, TOPIC } from "./message-book.js";
import type { ProcessTrust } from "./process-trust.js";
import { letPromisesSettle } from "./promises.js";

/** One delivery of a message, and what it takes to acknowledge it. */
export interface Receipt {
  readonly message: SentMessage;
  readonly view: MessageView;
  /** Who got it. */
  readonly clientId: string;
  /** In the queue that it was popped from. */
  readonly queueOffset: number;
  readonly deliveryAttempt: number;
  /** When it was hidden last, and until when, as the clock says. */
  hiddenAt: number;
  visibleAt: number;
  /** How often the clock had been set back then. */
  setBacks: number;
  /** How often it was changed: what was asked before that came too late. */
  changes: number;
}

/** Somebody waits for messages. */
interface Waiting {
  readonly member: ModelMember;
}

/**
 * A group whose members receive messages, and acknowledge each: what is in hand is nobody else's until its time is up, as the clock says, and comes again then unless
 * it was acknowledged; what came as often as the group allows dies instead. Whoever has a receipt may use it.
 *
 * What happens in one step is told in no order: acknowledgements are taken for the first, which is the only order in which those of one message make sense.
 */
export abstract class PopGroupModel implements GroupModel {
  readonly group: string;
  readonly receipts: Receipt[] = [];
  abstract readonly isAttemptStored: boolean;
  protected readonly surroundings: GroupSurroundings;
  readonly #maxAttempts: number;
  readonly #members = new Set<ModelMember>();
  readonly #waiting = new Set<Waiting>();
  readonly #dead = new Set<SentMessage>();
  #deliveries = 0;
  #repeats = 0;
  #refusals = 0;

  constructor(group: string, surroundings: GroupSurroundings, maxAttempts: number) {
    this.group = group;
    this.surroundings = surroundings;
    this.#maxAttempts = maxAttempts;
  }

  get counts(): GroupCounts {
    return {
      deliveries: this.#deliveries,
      repeats: this.#repeats,
      ignoredResults: this.#refusals,
      dead: this.#dead.size,
    };
  }

  get dead(): readonly SentMessage[] {
    return [...this.#dead];
  }

  /** All of one answer, in its order. */
  protected abstract take(receipts: readonly Receipt[]): void;

  /** Unless its time is up. */
  protected abstract isInHand(receipt: Receipt): boolean;

  protected abstract acknowledge(receipt: Receipt): void;

  /** @returns whether it was time. */
  protected abstract bury(message: SentMessage): boolean;

  /** It was not acknowledged in time. */
  protected abstract revived(message: SentMessage, event: Retried): void;

  /** What whoever asks gets now, in words. */
  protected abstract available(): readonly string[];

  abstract progressed(queue: string, nextOffset: number): void;

  abstract unfinished(): readonly string[];

  joined(member: ModelMember): void {
    this.#members.add(member);
  }

  left(member: ModelMember): void {
    this.#members.delete(member);
  }

  renewed(): void {
    // It shares no queues.
  }

  unsubscribed(): void {
    // It shares no queues.
  }

  dropped(): void {
    // It has no queues.
  }

  killed(process: ProcessTrust): void {
    for (const member of this.#members) if (member.process === process) this.#members.delete(member);
    for (const waiting of this.#waiting) if (waiting.member.process === process) this.#waiting.delete(waiting);
  }

  /** It asks for messages. @returns what is to be called when it has an answer */
  waits(member: ModelMember): () => void {
    const waiting = { member };
    this.#waiting.add(waiting);
    return () => void this.#waiting.delete(waiting);
  }

  async received(clientId: string, views: readonly MessageView[], invisibleMs: number): Promise<readonly Receipt[]> {
    const { book, machine } = this.surroundings;
    const hiddenAt = machine.now;
    const visibleAt = hiddenAt + invisibleMs;
    const times = { hiddenAt, visibleAt, setBacks: machine.setBacks.length };
    const receipts = views.map(
      (view): Receipt => ({ ...book.toDelivered(view), view, clientId, ...times, changes: 0 }),
    );
    await letPromisesSettle();
    this.#deliveries += views.length;
    for (const { message, view, deliveryAttempt } of receipts) {
      if (deliveryAttempt > 1) this.#repeats += 1;
      if (!message.isWanted) this.broken(`${message.name}, whose filter does not let it through`);
      if (view.topic !== TOPIC) this.broken(`${message.name} comes from ${view.topic}`);
      if (deliveryAttempt > this.#maxAttempts) this.broken(`${message.name} comes for the ${deliveryAttempt}th time`);
    }
    this.receipts.push(...receipts);
    this.take(receipts);
    return receipts;
  }

  /** Somebody is about to use it. @returns what is to be called with what becomes of that */
  uses(receipt: Receipt): { acknowledged(): void; changed(durationMs: number): void; refused(): Promise<void> } {
    const { changes } = receipt;
    return {
      acknowledged: () => {
        this.#checkInHand(receipt, changes, "is acknowledged");
        this.acknowledge(receipt);
      },
      changed: (durationMs) => {
        this.#checkInHand(receipt, changes, "is hidden for longer");
        const { machine } = this.surroundings;
        receipt.hiddenAt = machine.now;
        receipt.visibleAt = machine.now + durationMs;
        receipt.setBacks = machine.setBacks.length;
        receipt.changes += 1;
      },
      refused: () => this.#refused(receipt, changes),
    };
  }

  async #refused(receipt: Receipt, changes: number): Promise<void> {
    await letPromisesSettle();
    this.#refusals += 1;
    if (changes === receipt.changes && this.isInHand(receipt) && !this.mayBeVisible(receipt))
      this.broken(`${receipt.message.name} is in hand until ${receipt.visibleAt}, and its receipt is refused`);
  }

  async retried(event: Retried): Promise<void> {
    const message = this.surroundings.book.byId(event.messageId);
    await letPromisesSettle();
    if (message === undefined) this.broken(`${event.messageId} is put off, which nobody sent`);
    else this.revived(message, event);
  }

  async deadLettered({ messageId, deliveryAttempt }: DeadLettered): Promise<void> {
    const message = this.surroundings.book.byId(messageId);
    const died = message && this.surroundings.dies(message);
    await letPromisesSettle();
    if (message === undefined || died === undefined) {
      this.broken(`${messageId} is dead, which nobody sent`);
      return;
    }
    const { name } = message;
    if (deliveryAttempt !== this.#maxAttempts) this.broken(`${name} died of attempt ${deliveryAttempt}`);
    if (!this.bury(message)) this.broken(`${name} is dead, though it need not die`);
    if (this.#dead.has(message)) this.broken(`${name} died twice`);
    this.#dead.add(message);
    died();
  }

  /** Whoever waits for what is there gets it. */
  expectWithin(ms: ExpectedWithinMs): () => void {
    const { isAlone } = this.surroundings;
    const isTime = ms === (isAlone ? EXPECTED_WITHIN_MS.own : EXPECTED_WITHIN_MS.others);
    const isAwake = ({ member: { process } }: Waiting): boolean => !process.isStalled && !process.isGone;
    const waited = [...this.#waiting].filter(isAwake);
    const available = isTime && waited.length > 0 ? this.available() : [];
    return () => {
      if (available.length === 0 || !waited.some((waiting) => this.#waiting.has(waiting) && isAwake(waiting))) return;
      const still = new Set(this.available());
      const missed = available.filter((one) => still.has(one));
      if (missed.length > 0) this.broken(`somebody waits, though ${missed.join(", ")} is there`);
    };
  }

  undelivered(): readonly string[] {
    return this.#members.size === 0 ? [] : this.unfinished();
  }

  protected get maxAttempts(): number {
    return this.#maxAttempts;
  }

  protected isVisible({ visibleAt }: Receipt): boolean {
    return visibleAt <= this.surroundings.machine.now;
  }

  protected mayBeVisible(receipt: Receipt): boolean {
    return this.visibleFrom(receipt) <= this.surroundings.machine.now;
  }

  /** Where the clock was set back to before it was hidden, it is hidden for as long from when that is found out. */
  protected visibleFrom({ hiddenAt, visibleAt, setBacks }: Receipt): number {
    const earlier = this.surroundings.machine.setBacks.slice(setBacks).filter((now) => now < hiddenAt);
    return Math.min(visibleAt, ...earlier.map((now) => now + visibleAt - hiddenAt));
  }

  protected broken(rule: string): void {
    this.surroundings.broken(`${this.group}: ${rule}`);
  }

  /** The first from this offset on that is wanted; the length of the queue where there is none. */
  protected wantedFrom(queueId: number, offset: number): number {
    const messages = this.surroundings.book.queues[queueId] ?? [];
    for (let next = offset; next < messages.length; next += 1) if (messages[next]?.isWanted !== false) return next;
    return Math.max(offset, messages.length);
  }

  #checkInHand(receipt: Receipt, changes: number, what: string): void {
    const { name } = receipt.message;
    if (!this.isInHand(receipt) || changes !== receipt.changes)
      this.broken(`${name} ${what} by a receipt that was used, or is of another delivery`);
    else if (this.isVisible(receipt)) this.broken(`${name} ${what}, though its time was up at ${receipt.visibleAt}`);
  }
}
