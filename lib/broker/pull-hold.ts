import { queueKeyOf } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";
import type { PullRequest, PullResult } from "./broker-port.js";

interface HeldPull {
  readonly request: PullRequest;
  readonly answer: (result: PullResult) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Pulls that found no message and wait for one.
 *
 * A commit wakes those of the queues it wrote to, also when the filter lets nothing through: so the consumer's offset passes what it does not
 * want, which RocketMQ's consumers do when the pull expires.
 *
 * Source: RocketMQ, `broker/.../longpolling/PullRequestHoldService.java`; ours expire when their time is up, not at the next 5 s tick.
 */
export class PullHold {
  /** `undefined`: it cannot be read now, and whoever reads will wake the pulls again. */
  readonly #read: (request: PullRequest) => PullResult | undefined;
  readonly #clock: Clock;
  readonly #held = new Map<string, Set<HeldPull>>();
  #count = 0;

  constructor(read: (request: PullRequest) => PullResult | undefined, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  hold(request: PullRequest, result: PullResult, signal: AbortSignal): Promise<PullResult> {
    return new Promise((resolve, reject) => {
      const key = queueKeyOf(request.topic, request.queueId);
      const held = this.#held.get(key) ?? new Set();
      this.#held.set(key, held);
      const end = (): void => {
        if (!held.delete(pull)) return;
        this.#count -= 1;
        if (held.size === 0 && this.#held.get(key) === held) this.#held.delete(key);
        timer?.cancel();
        signal.removeEventListener("abort", giveUp);
      };
      const giveUp = (): void => pull.answer(result);
      const pull: HeldPull = {
        request,
        answer: (found) => {
          end();
          resolve(found);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      };
      held.add(pull);
      this.#count += 1;
      const timer = Number.isFinite(request.suspendMs)
        ? this.#clock.at(this.#clock.now() + request.suspendMs, giveUp)
        : undefined;
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** There may be messages in this queue. */
  wake(topic: string, queueId: number): void {
    const held = this.#held.get(queueKeyOf(topic, queueId));
    if (held !== undefined) for (const pull of [...held]) this.#look(pull);
  }

  /** There may be messages anywhere: another process has committed, or the owner of the connection. */
  wakeAll(): void {
    for (const held of [...this.#held.values()]) for (const pull of [...held]) this.#look(pull);
  }

  failAll(error: unknown): void {
    for (const held of [...this.#held.values()]) for (const pull of [...held]) pull.fail(error);
  }

  #look(pull: HeldPull): void {
    try {
      const result = this.#read(pull.request);
      if (result !== undefined && result.status !== "NO_NEW_MSG") pull.answer(result);
    } catch (error) {
      pull.fail(error);
    }
  }
}
