import type { DeadLettered, Retried } from "./group-model.js";
import type { QueueSurroundings } from "./group-queue-model.js";
import type { Delivered } from "./hold.js";
import { type PullHold, type PullMember, PullQueueModel } from "./pull-queue-model.js";
import { SharingGroupModel } from "./sharing-group-model.js";

/** A group whose members pull: nothing of it is put off, nothing dies. */
export class PullGroupModel extends SharingGroupModel<PullQueueModel> {
  readonly isAttemptStored = false;
  /** When each committed by itself last, as the clock said. */
  readonly #committedAt = new Map<PullMember, number>();

  retried({ messageId }: Retried): void {
    this.broken(`${messageId} is put off`);
  }

  deadLettered({ messageId }: DeadLettered): void {
    this.broken(`${messageId} is dead`);
  }

  /** It keeps its queues. */
  override renewed({ holds }: PullMember): void {
    for (const [name, hold] of holds) this.queueOf(name).refiltered(hold as PullHold);
  }

  /** It asks for more. */
  polled(member: PullMember): void {
    const { autoCommit, autoCommitIntervalMs } = member.settings;
    if (!autoCommit) return;
    const { now } = this.surroundings.machine;
    const age = now - (this.#committedAt.get(member) ?? Number.NEGATIVE_INFINITY);
    if (age >= 0 && age < autoCommitIntervalMs) return;
    this.#committedAt.set(member, now);
    this.#tellAll(member);
  }

  delivered(member: PullMember, name: string, batch: readonly Delivered[]): void {
    this.queueOf(name).delivered(this.pullHoldOf(member, name), batch);
  }

  /** @returns what is to be called when that has ended. */
  commits(member: PullMember): () => void {
    const checks = this.#tellAll(member);
    return () => {
      for (const check of checks) check();
    };
  }

  queue(name: string): PullQueueModel {
    return this.queueOf(name);
  }

  pullHoldOf(member: PullMember, name: string): PullHold {
    return this.holdOf(member, name) as PullHold;
  }

  protected createQueue(name: string, surroundings: QueueSurroundings): PullQueueModel {
    return new PullQueueModel(name, surroundings);
  }

  #tellAll({ holds }: PullMember): readonly (() => void)[] {
    const open = [...holds.values()].filter(({ isOver }) => !isOver) as PullHold[];
    return open.map((hold) => this.queueOf(hold.queue).tell(hold));
  }
}
