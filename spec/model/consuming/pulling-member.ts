import { isMqError, type MessageQueue, type MessageView, type PullConsumer } from "../../../lib/index.js";
import type { Consumer, Seat } from "./member-kind.js";
import { letPromisesSettle } from "./promises.js";
import type { PullGroupModel } from "./pull-group-model.js";
import type { PullHold, PullMember, PullQueueModel, PullSettings } from "./pull-queue-model.js";

/** Queues are chosen among those that it has, by the remainder. */
export type PullAct =
  | { readonly what: "poll"; readonly maxMessages: number; readonly timeoutMs: number }
  | { readonly what: "commit" }
  | QueueAct;

type QueueAct =
  /** So far before the end, or behind it. */
  | { readonly what: "commit at"; readonly queue: number; readonly back: number }
  /** @property isPolledAtOnce - before it has ended. */
  | { readonly what: "seek"; readonly queue: number; readonly back: number; readonly isPolledAtOnce: boolean }
  | { readonly what: "seek to the begin" | "pause" | "resume"; readonly queue: number };

interface ChosenQueue {
  readonly queue: MessageQueue;
  readonly model: PullQueueModel;
  readonly hold: PullHold;
}

/** A pull consumer with its user, of whom the model of its group is told what it does and what it gets. */
export class PullingMember implements Consumer<PullAct> {
  readonly #consumer: PullConsumer;
  readonly #seat: Seat<PullSettings, PullGroupModel>;
  #hasStarted = false;
  #isPolling = false;

  constructor(consumer: PullConsumer, seat: Seat<PullSettings, PullGroupModel>) {
    this.#consumer = consumer;
    this.#seat = seat;
  }

  get clientId(): string {
    return this.#consumer.clientId;
  }

  get assignment(): readonly MessageQueue[] {
    return this.#consumer.assignment;
  }

  async start(): Promise<void> {
    await this.#consumer.start();
    this.#hasStarted = true;
  }

  subscribe(topic: string, filter: string): void {
    this.#consumer.subscribe(topic, filter);
  }

  close(): Promise<void> {
    return this.#consumer.close();
  }

  /** Resolves when it has heard of all that it gets at once. */
  async act(act: PullAct): Promise<void> {
    if (!this.#hasStarted) return;
    if (act.what === "poll") this.#poll(act.maxMessages, act.timeoutMs);
    else if (act.what === "commit") this.#commit();
    else {
      const chosen = this.#choose(act.queue);
      if (chosen !== undefined) this.#actOn(chosen, act);
      if (act.what === "seek" && act.isPolledAtOnce) this.#poll(1, 0);
    }
    await letPromisesSettle();
  }

  resume(): void {
    if (!this.#hasStarted) return;
    for (let index = 0; index < this.assignment.length; index += 1) {
      const chosen = this.#choose(index);
      if (chosen !== undefined) this.#actOn(chosen, { what: "resume", queue: index });
    }
  }

  goOn(): void {
    if (!this.#hasStarted || this.#isPolling) return;
    this.#poll(10, 0, () => {
      if (!this.#seat.settings.autoCommit) this.#commit();
    });
  }

  get #member(): PullMember {
    return this.#seat.member() as PullMember;
  }

  #poll(maxMessages: number, timeoutMs: number, polled?: () => void): void {
    if (this.#isPolling) return;
    const { model, follow } = this.#seat;
    this.#isPolling = true;
    model.polled(this.#member);
    const polling = this.#consumer.poll({ maxMessages, timeoutMs });
    follow("polls", polling, (messages) => {
      this.#isPolling = false;
      if (messages.length > maxMessages) throw new Error(`${messages.length} messages instead of ${maxMessages}`);
      this.#polled(messages);
      polled?.();
    });
  }

  #polled(messages: readonly MessageView[]): void {
    const { model, book } = this.#seat;
    const queues = new Set(messages.map(({ topic, queueId }) => `${topic} ${queueId}`));
    if (queues.size > 1) throw new Error(`messages of ${[...queues].join()}`);
    const [queue] = queues;
    if (queue === undefined) return;
    const batch = messages.map((message) => book.toDelivered(message));
    model.delivered(this.#member, queue, batch);
  }

  #commit(): void {
    const { model, follow, host } = this.#seat;
    const ended = model.commits(this.#member);
    follow(
      "commits",
      this.#consumer.commit(),
      () => {
        host.tellProgress(model);
        ended();
      },
      refusedOffset,
    );
  }

  #actOn({ queue, model, hold }: ChosenQueue, act: QueueAct): void {
    const consumer = this.#consumer;
    const { follow } = this.#seat;
    switch (act.what) {
      case "pause":
        consumer.pause([queue]);
        model.pause(hold);
        return;
      case "resume":
        consumer.resume([queue]);
        model.resume(hold);
        return;
      case "commit at": {
        const offset = Math.max(0, model.length - act.back);
        const { succeeded, failed } = model.tells(hold, offset);
        follow(`commits ${offset}`, consumer.commit(new Map([[queue, offset]])), succeeded, (error) => {
          refusedOffset(error);
          failed();
        });
        return;
      }
      default: {
        const offset = act.what === "seek" ? Math.max(0, model.length - act.back) : 0;
        const { succeeded, failed } = model.seeks(hold, offset);
        const seeking = act.what === "seek" ? consumer.seek(queue, offset) : consumer.seekToBegin(queue);
        follow(`seeks to ${offset}`, seeking, succeeded, (error) => {
          refusedOffset(error);
          failed();
        });
      }
    }
  }

  #choose(number: number): ChosenQueue | undefined {
    const { assignment } = this;
    const queue = assignment[number % assignment.length];
    if (queue === undefined) return undefined;
    const { model } = this.#seat;
    const name = `${queue.topic} ${queue.queueId}`;
    return { queue, model: model.queue(name), hold: model.pullHoldOf(this.#member, name) };
  }
}

function refusedOffset(error: unknown): void {
  if (!isMqError(error, "ERR_MQ_OFFSET")) throw error;
}
