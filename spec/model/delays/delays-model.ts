import type { Asked } from "./step.js";

/** The `messageDelayLevels` of the model. */
export const DELAY_LEVELS = "1s 2s 5s";
const LEVELS_MS = [1_000, 2_000, 5_000];

/** In its queue from this moment on. */
export interface Visible {
  readonly body: string;
  readonly at: number;
}

interface Sent {
  readonly body: string;
  readonly queueId: number;
  /** A broker that is there delivers it then; at once is the moment of its send. */
  readonly dueAt: number;
  /** Until then it can be recalled; `undefined`: it cannot at all. */
  readonly recallableBefore: number | undefined;
  visibleAt: number | undefined;
  isRecalled: boolean;
}

/** When messages that are put off become visible, and in which order. */
export class DelaysModel {
  readonly #precisionMs: number;
  readonly #sent: Sent[] = [];

  /** @param precisionMs - timers are due at whole multiples of it; delay levels are exact. */
  constructor(precisionMs: number) {
    this.#precisionMs = precisionMs;
  }

  /** Returns its body. */
  send({ queueId, delay }: Asked, now: number): string {
    const body = `${this.#sent.length}`;
    const [dueAt, recallableBefore] = this.#due(delay, now);
    const visibleAt = dueAt === undefined ? now : undefined;
    this.#sent.push({ body, queueId, dueAt: dueAt ?? now, recallableBefore, visibleAt, isRecalled: false });
    return body;
  }

  #due(delay: Asked["delay"], now: number): [dueAt: number | undefined, recallableBefore: number | undefined] {
    if (delay.by === "nothing") return [undefined, undefined];
    if (delay.by === "delayLevel") {
      const waitMs = LEVELS_MS[Math.min(delay.level, LEVELS_MS.length) - 1];
      return [waitMs === undefined ? undefined : now + waitMs, undefined];
    }
    if (delay.ms <= 0) return [undefined, undefined];
    const dueAt = Math.ceil((now + delay.ms) / this.#precisionMs) * this.#precisionMs;
    return [dueAt, dueAt - this.#precisionMs + 1];
  }

  /** Whether the message has a recall handle. */
  isRecallable(body: string): boolean {
    return this.#find(body).recallableBefore !== undefined;
  }

  /** Whether it succeeds: also the second time. */
  recall(body: string, now: number): boolean {
    const message = this.#find(body);
    if (message.recallableBefore === undefined || message.recallableBefore <= now) return false;
    message.isRecalled = true;
    return true;
  }

  /** A broker was there all the time from one moment to the other. */
  passed(from: number, to: number): void {
    for (const message of this.#sent) {
      if (message.visibleAt === undefined && !message.isRecalled && message.dueAt <= to)
        message.visibleAt = Math.max(message.dueAt, from);
    }
  }

  /** What is in a queue: the order of the times, and in one time that of the sends. */
  listVisible(queueId: number): readonly Visible[] {
    const visible = this.#sent.flatMap(({ visibleAt: at, ...message }, index) =>
      at === undefined || message.queueId !== queueId ? [] : [{ ...message, at, index }],
    );
    visible.sort((one, other) => one.at - other.at || one.dueAt - other.dueAt || one.index - other.index);
    return visible.map(({ body, at }) => ({ body, at }));
  }

  #find(body: string): Sent {
    const message = this.#sent[Number(body)];
    if (message === undefined) throw new Error(`no message has the body ${body}`);
    return message;
  }
}
