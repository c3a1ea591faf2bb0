import { isMqError, type MessageView, type SimpleConsumer } from "../../../lib/index.js";
import type { Consumer, Seat } from "./member-kind.js";
import type { PopGroupModel, Receipt } from "./pop-group-model.js";

/** How many of the last deliveries of the group commands choose among. */
const CHOSEN_AMONG = 8;
const ABORTED = "as told";
const GOING_ON = { maxMessages: 32, invisibleDurationMs: 10_000, awaitMs: 0 } as const;

export interface Receiving {
  readonly maxMessages: number;
  readonly invisibleDurationMs: number;
  readonly awaitMs: number;
}

/** Deliveries are chosen by the remainder among the last ones of the group, whoever got them, whatever became of them; 0 is the last one. */
export type PopAct =
  | { readonly what: "receive"; readonly options: Receiving }
  /** Of those who wait, who has waited for longest. */
  | { readonly what: "abort" }
  | { readonly what: "ack"; readonly delivery: number }
  | { readonly what: "change"; readonly delivery: number; readonly durationMs: number };

/** A simple consumer with its user, of whom the model of its group is told what it does and what it gets. */
export class PoppingMember implements Consumer<PopAct> {
  readonly #consumer: SimpleConsumer;
  readonly #seat: Seat<unknown, PopGroupModel>;
  #hasStarted = false;
  /** Those who wait. */
  readonly #aborts = new Set<AbortController>();

  constructor(consumer: SimpleConsumer, seat: Seat<unknown, PopGroupModel>) {
    this.#consumer = consumer;
    this.#seat = seat;
  }

  get clientId(): string {
    return this.#consumer.clientId;
  }

  async start(): Promise<void> {
    await this.#consumer.start();
    this.#hasStarted = true;
  }

  subscribe(topic: string, filter: string): void {
    this.#consumer.subscribe(topic, filter);
  }

  unsubscribe(topic: string): void {
    this.#consumer.unsubscribe(topic);
  }

  close(): Promise<void> {
    return this.#consumer.close();
  }

  act(act: PopAct): void {
    if (!this.#hasStarted) return;
    switch (act.what) {
      case "receive":
        this.#receive(act.options);
        return;
      case "abort":
        for (const abort of [...this.#aborts].slice(0, 1)) abort.abort(ABORTED);
        return;
      case "ack": {
        const receipt = this.#choose(act.delivery);
        if (receipt !== undefined) this.#acknowledge(receipt);
        return;
      }
      case "change": {
        const receipt = this.#choose(act.delivery);
        if (receipt !== undefined) this.#change(receipt, act.durationMs);
        return;
      }
      default:
        act satisfies never;
    }
  }

  goOn(): void {
    if (!this.#hasStarted || this.#aborts.size > 0) return;
    this.#receive(GOING_ON, (receipts) => {
      for (const receipt of receipts) this.#acknowledge(receipt);
    });
  }

  #receive(options: Receiving, then?: (receipts: readonly Receipt[]) => void): void {
    const { model, member, follow } = this.#seat;
    if (member().filter === undefined) return;
    const answered = model.waits(member());
    const abort = new AbortController();
    this.#aborts.add(abort);
    const receiving = this.#consumer.receive({ ...options, signal: abort.signal }).finally(() => {
      answered();
      this.#aborts.delete(abort);
    });
    const received = (views: readonly MessageView[]): void => {
      if (views.length > options.maxMessages) throw new Error(`${views.length} messages for ${options.maxMessages}`);
      follow("has received", this.#received(views, options), then);
    };
    follow("receives", receiving, received, (error) => {
      if (error !== ABORTED) throw error;
    });
  }

  async #received(views: readonly MessageView[], { invisibleDurationMs }: Receiving): Promise<readonly Receipt[]> {
    const { model, history } = this.#seat;
    const receipts = await model.received(this.clientId, views, invisibleDurationMs);
    for (const receipt of receipts) history.delivered(model.group, this.clientId, receipt);
    return receipts;
  }

  #acknowledge(receipt: Receipt): void {
    const { model, history, follow } = this.#seat;
    const { acknowledged, refused } = model.uses(receipt);
    const succeeded = (): void => {
      acknowledged();
      history.consumed(model.group, receipt.clientId, receipt);
    };
    follow("acknowledges", this.#consumer.ack(receipt.view), succeeded, (error) =>
      follow("is refused", refusedFor(error, refused)),
    );
  }

  #change(receipt: Receipt, durationMs: number): void {
    const { model, follow } = this.#seat;
    const { changed, refused } = model.uses(receipt);
    const changing = this.#consumer.changeInvisibleDuration(receipt.view, durationMs);
    follow(
      "hides for longer",
      changing,
      () => changed(durationMs),
      (error) => follow("is refused", refusedFor(error, refused)),
    );
  }

  #choose(delivery: number): Receipt | undefined {
    const last = this.#seat.model.receipts.slice(-CHOSEN_AMONG).reverse();
    return last[delivery % last.length];
  }
}

function refusedFor(error: unknown, refused: () => Promise<void>): Promise<void> {
  if (!isMqError(error, "ERR_MQ_RECEIPT_HANDLE")) throw error;
  return refused();
}
