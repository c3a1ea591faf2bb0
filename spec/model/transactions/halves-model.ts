import { type Answer, type Asked, CHECK_MAX, INTERVAL_MS, TIMEOUT_MS } from "./step.js";

export type End = "commit" | "rollback";

/** What somebody saw, and when. */
export interface Seen {
  readonly body: string;
  readonly at: number;
}

/** A check that was not answered yet. */
export interface Asking {
  /** By which broker. */
  readonly by: number;
  readonly answer: Answer;
  readonly answerAt: number;
  /** When the next one is due, were it answered. */
  readonly dueAt: number;
  /** The same as long as it is not. */
  until: number;
}

/** A half message whose transaction is open. */
export interface Half {
  readonly body: string;
  readonly asked: Asked;
  readonly immunityMs: number | undefined;
  readonly bornAt: number;
  storedAt: number;
  checkAt: number;
  checks: number;
  /** How often somebody was asked. */
  asks: number;
  asking: Asking | undefined;
}

/** Half messages and what becomes of them, but for when their checks come. */
export abstract class HalvesModel {
  readonly visible: Seen[] = [];
  readonly givenUp: Seen[] = [];
  /** Who was asked for what. */
  readonly asked: Seen[] = [];
  protected halves: readonly Half[] = [];
  protected now: number;
  /** In each broker the groups of its producers. */
  readonly #producers: Map<number, string[]> = new Map();
  readonly #losing = new Set<string>();
  readonly #askerOf: (body: string, asks: number) => number;

  /** @param askerOf - which broker it was that asked for one for the n-th time, from 0. */
  constructor(now: number, askerOf: (body: string, asks: number) => number = () => 0) {
    this.now = now;
    this.#askerOf = askerOf;
  }

  /** Those that are open, in the order in which they were stored, as operators see them. */
  listHalves(): readonly { readonly body: string; readonly checks: number; readonly nextCheckAt: number }[] {
    return this.halves.map((half) => {
      const { body, checks, checkAt, asking } = half;
      return { body, checks, nextCheckAt: this.nextCheckAt(asking?.until ?? checkAt) };
    });
  }

  /** But for those of which somebody was asked who never answers. */
  get isSettled(): boolean {
    return this.halves.every(({ asking }) => asking?.answerAt === Number.POSITIVE_INFINITY);
  }

  hasProducer(group: string): boolean {
    return [...this.#producers.values()].some((groups) => groups.includes(group));
  }

  start(broker: number, group: string): void {
    this.#producers.set(broker, [...(this.#producers.get(broker) ?? []), group]);
  }

  close(broker: number, group: string): void {
    const groups = this.#producers.get(broker) ?? [];
    groups.splice(groups.indexOf(group), 1);
  }

  lose(group: string, isLost: boolean): void {
    if (isLost) this.#losing.add(group);
    else this.#losing.delete(group);
  }

  isLosing(group: string): boolean {
    return this.#losing.has(group);
  }

  send(body: string, asked: Asked): void {
    const immunityMs = immunityOf(asked.immunity);
    const times = {
      bornAt: this.now,
      storedAt: this.now,
      checkAt: this.firstCheckAt(Math.max(0, immunityMs ?? TIMEOUT_MS)),
    };
    this.halves = [...this.halves, { body, asked, immunityMs, ...times, checks: 0, asks: 0, asking: undefined }];
  }

  /** By its client. Says how that ends for it. */
  end(body: string, group: string, end: End): "done" | "ERR_MQ_TIMEOUT" | "ERR_MQ_TRANSACTION" {
    if (this.isLosing(group)) return "ERR_MQ_TIMEOUT";
    const half = this.halves.find((open) => open.body === body);
    if (this.refuses(half)) return "ERR_MQ_TRANSACTION";
    if (half !== undefined) this.#settle(half, end);
    return "done";
  }

  /** The broker ends, and with it all its producers. */
  crash(broker: number): void {
    this.#producers.delete(broker);
    for (const half of this.halves) {
      if (half.asking?.by !== broker) continue;
      half.checkAt = half.asking.until;
      half.asking = undefined;
    }
  }

  /** Another one begins. */
  open(now: number): void {
    this.now = now;
  }

  /** A broker was there all the time until then. */
  passed(to: number): void {
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > to) break;
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = to;
  }

  #next(): { readonly at: number; readonly run: () => void } | undefined {
    const events = this.halves.flatMap((half) => {
      const { asking } = half;
      if (asking === undefined) return [];
      return [
        { at: asking.answerAt, run: () => this.#answered(half, asking) },
        { at: asking.until - Math.floor(INTERVAL_MS / 2), run: () => this.#putOff(asking) },
      ];
    });
    return [...events, ...this.checkEvents()].reduce<{ at: number; run: () => void } | undefined>(
      (first, event) => (first === undefined || event.at < first.at ? event : first),
      undefined,
    );
  }

  #putOff(asking: Asking): void {
    asking.until = this.now + INTERVAL_MS;
  }

  #answered(half: Half, { answer, dueAt }: Asking): void {
    half.asking = undefined;
    half.checkAt = dueAt;
    const { says } = answer;
    if ((says === "commit" || says === "rollback") && !this.isLosing(half.asked.group)) this.#settle(half, says);
  }

  /** Counted by now. */
  protected ask(half: Half): void {
    if (!this.hasProducer(half.asked.group)) return;
    const answer = half.asked.answers[half.asks] ?? { says: "unknown", afterMs: 0 };
    const by = this.#askerOf(half.body, half.asks);
    half.asks += 1;
    this.asked.push({ body: half.body, at: this.now });
    const answerAt = answer.afterMs === undefined ? Number.POSITIVE_INFINITY : this.now + answer.afterMs;
    half.asking = { by, answer, answerAt, dueAt: half.checkAt, until: half.checkAt };
  }

  #settle(half: Half, end: End): void {
    if (end === "commit") this.visible.push({ body: half.body, at: this.now });
    this.#remove(half);
  }

  protected giveUp(half: Half): void {
    this.givenUp.push({ body: half.body, at: this.now });
    this.#remove(half);
  }

  #remove(half: Half): void {
    this.halves = this.halves.filter((other) => other !== half);
  }

  protected isOver({ checks }: Half): boolean {
    return checks >= CHECK_MAX;
  }

  protected abstract firstCheckAt(waitMs: number): number;
  protected abstract nextCheckAt(checkAt: number): number;
  /** An end by its client; `undefined`: of one that has ended. */
  protected abstract refuses(half: Half | undefined): boolean;
  /** What checks do next. */
  protected abstract checkEvents(): readonly { readonly at: number; readonly run: () => void }[];
}

function immunityOf(text: string | undefined): number | undefined {
  const seconds = text === undefined || text.includes(".") ? Number.NaN : Number(text);
  return Number.isNaN(seconds) || seconds === -1 ? undefined : seconds * 1_000;
}

/** Each at its own time, while somebody can be asked. */
export class TimedModel extends HalvesModel {
  protected firstCheckAt(waitMs: number): number {
    return this.now + waitMs;
  }

  protected nextCheckAt(checkAt: number): number {
    return checkAt;
  }

  protected refuses(): boolean {
    return false;
  }

  protected checkEvents(): readonly { readonly at: number; readonly run: () => void }[] {
    const waiting = this.halves.filter(({ asked, asking }) => asking === undefined && this.hasProducer(asked.group));
    return waiting.map((half) => ({ at: half.checkAt, run: () => this.#check(half) }));
  }

  #check(half: Half): void {
    if (this.isOver(half)) {
      this.giveUp(half);
      return;
    }
    half.checks += 1;
    half.checkAt = this.now + INTERVAL_MS;
    this.ask(half);
  }
}

/** In rounds, in the order in which they were stored. */
export class RoundsModel extends HalvesModel {
  readonly #isShared: boolean;
  #roundAt: number;

  /** @param isShared - other processes may have producers. */
  constructor(now: number, isShared: boolean) {
    super(now);
    this.#isShared = isShared;
    this.#roundAt = now + INTERVAL_MS;
  }

  override open(now: number): void {
    super.open(now);
    this.#roundAt = now + INTERVAL_MS;
  }

  protected firstCheckAt(): number {
    return this.now;
  }

  protected nextCheckAt(checkAt: number): number {
    return Math.max(checkAt, this.#roundAt);
  }

  protected refuses(half: Half | undefined): boolean {
    if (half === undefined) return true;
    return half.immunityMs !== undefined && this.now - half.bornAt > Math.max(half.immunityMs, TIMEOUT_MS);
  }

  protected checkEvents(): readonly { readonly at: number; readonly run: () => void }[] {
    return [{ at: this.#roundAt, run: () => this.#round() }];
  }

  #round(): void {
    this.#roundAt += INTERVAL_MS;
    for (const half of [...this.halves]) if (!this.#look(half)) return;
  }

  /** False: this one and all behind it are too young. */
  #look(half: Half): boolean {
    const { immunityMs, asking } = half;
    if (asking === undefined && this.#mayBeAsked(half) > this.now) return true;
    const age = this.now - half.bornAt;
    if (this.isOver(half)) this.giveUp(half);
    else if (half.storedAt >= this.now) return false;
    else if (immunityMs !== undefined && age < immunityMs) this.#renew(half);
    else if (age <= (immunityMs ?? TIMEOUT_MS)) return false;
    else if (asking !== undefined) half.checks += 1;
    else {
      this.#renew(half);
      this.ask(half);
    }
    return true;
  }

  /** Producers in another process come first, in a round when it is old enough. */
  #mayBeAsked({ checkAt, storedAt, asked }: Half): number {
    if (!this.#isShared || this.hasProducer(asked.group)) return checkAt;
    return Math.max(checkAt, storedAt + TIMEOUT_MS) + INTERVAL_MS;
  }

  /** It goes to the end of its queue. */
  #renew(half: Half): void {
    half.checks += 1;
    half.checkAt = this.#roundAt;
    half.storedAt = this.now;
    this.halves = [...this.halves.filter((other) => other !== half), half];
  }
}
