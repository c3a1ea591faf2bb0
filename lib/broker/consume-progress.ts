import { MqError } from "../errors.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { Store } from "../store/store.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import { ConsumeOffsets } from "./consume-offsets.js";
import type { QueueOwnership } from "./queue-claims.js";
import type { QueueStates } from "./queue-states.js";
import type { SentBack } from "./sent-back.js";

/** How long consumed messages may be repeated after a crash; an offset never causes a commit sooner. */
const STORE_DELAY_MS = 50;
/** Offsets that could not be stored, because the disk is full for example, are tried again. */
const FAILED_STORE_DELAY_MS = 1_000;

export interface ConsumeProgressParts {
  readonly store: Store;
  readonly queues: QueueStates;
  readonly sentBack: SentBack;
  readonly clock: Clock;
  readonly steady: Clock;
  /** Makes a group commit come, with which pending offsets ride. */
  readonly schedule: () => void;
  readonly ownership: QueueOwnership;
  /** Whether something else waits to ride with a commit. */
  readonly hasOtherRiders: () => boolean;
}

/** The offsets of groups and of instances of broadcasting groups on their way into the store. */
export class ConsumeProgress {
  readonly ofGroups: ConsumeOffsets<string>;
  readonly ofInstances: ConsumeOffsets<BroadcastInstance>;
  readonly #steady: Clock;
  readonly #ownership: QueueOwnership;
  readonly #schedule: () => void;
  readonly #hasOtherRiders: () => boolean;
  #timer: ClockTimer | undefined;
  #isClosing = false;

  constructor(parts: ConsumeProgressParts) {
    const { store, queues, sentBack, clock, steady, schedule, ownership, hasOtherRiders } = parts;
    this.#steady = steady;
    this.#ownership = ownership;
    this.#schedule = schedule;
    this.#hasOtherRiders = hasOtherRiders;
    this.ofGroups = new ConsumeOffsets({
      rows: store.consumeOffsets,
      nameOf: (group) => group,
      onPending: () => this.storeSoon(),
      mayWrite: (group, topic, queueId, orFree) =>
        orFree ? ownership.isFreeNow(group, topic, queueId) : ownership.holdsNow(group, topic, queueId),
      onWrite: (group, topic, queueId, nextOffset) =>
        sentBack.passed(group, queues.get(topic, queueId).queueKey, nextOffset),
    });
    this.ofInstances = new ConsumeOffsets({
      rows: store.broadcastOffsets,
      nameOf: ({ group, instanceName }) => `${group}\u0001${instanceName}`,
      onPending: () => this.storeSoon(),
      mayWrite: () => true,
      // Progress shows that it is there, whoever had forgotten it because of a clock that jumped.
      onWrite: (instance) => store.broadcastOffsets.touch(instance, clock.now()),
    });
  }

  get hasPending(): boolean {
    return this.ofGroups.hasPending || this.ofInstances.hasPending;
  }

  /** Something pending is to be stored within 50 ms. */
  storeSoon(): void {
    if (this.hasPending) this.#storeAfter(STORE_DELAY_MS);
  }

  /** Inside a transaction. */
  write(): void {
    this.ofGroups.write();
    this.ofInstances.write();
  }

  /** The same; throws `ERR_MQ_OFFSET` when one of these queues is another engine's by now, for which what came here did not count. */
  writeClaimed(group: string, queues: readonly { readonly topic: string; readonly queueId: number }[]): void {
    this.write();
    const lost = queues.find(({ topic, queueId }) => !this.#ownership.holdsNow(group, topic, queueId));
    if (lost === undefined) return;
    throw new MqError(
      "ERR_MQ_OFFSET",
      `queue ${lost.queueId} of topic ${lost.topic} is another process's by now: group ${group} goes on there from what was committed before`,
      { responseCode: -1 },
    );
  }

  committed(): void {
    this.ofGroups.committed();
    this.ofInstances.committed();
  }

  /** What was written is pending again. */
  rolledBack(): void {
    this.ofGroups.rolledBack();
    this.ofInstances.rolledBack();
  }

  /** Nothing of what was pending could be stored now, nor what else rides with a commit. */
  storeLater(): void {
    if (!this.#isClosing && (this.hasPending || this.#hasOtherRiders())) this.#storeAfter(FAILED_STORE_DELAY_MS);
  }

  /** Whoever closes stores what is pending by himself. */
  beginClosing(): void {
    this.#isClosing = true;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #storeAfter(ms: number): void {
    this.#timer ??= this.#steady.at(this.#steady.now() + ms, () => {
      this.#timer = undefined;
      this.#schedule();
    });
  }
}
