import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { SqliteConnection } from "../store/sqlite.js";
import type { GroupProgress, OffsetRule, QueueOffset, QueueProgress } from "./broker-port.js";
import type { Engine } from "./engine.js";

/** What clients ask and tell of their progress; offsets that come when the connection is closed already are of no use to anybody. */
export class OffsetOperations {
  readonly #engine: Engine;
  readonly #connection: SqliteConnection;

  constructor(engine: Engine, connection: SqliteConnection) {
    this.#engine = engine;
    this.#connection = connection;
  }

  /**
   * A group without progress gets a young queue, from which nothing was ever deleted, from its beginning, whatever it asked for.
   *
   * Source: RocketMQ, `broker/.../processor/ConsumerManageProcessor.java`, `queryConsumerOffset`; every message counts as resident in memory.
   */
  query(group: string, topic: string, queueId: number): Promise<GroupProgress> {
    return this.#engine.reads.read(() => {
      const { minOffset, maxOffset } = this.#engine.queues.get(topic, queueId);
      const isYoung = minOffset === 0 && maxOffset > 0;
      const storedOffset = this.#engine.offsets.find(group, topic, queueId);
      return { nextOffset: storedOffset ?? (isYoung ? 0 : undefined), storedOffset, minOffset, maxOffset };
    });
  }

  update(group: string, topic: string, queueId: number, nextOffset: number, rule: OffsetRule): void {
    if (this.#connection.open) this.#engine.offsets.update(group, topic, queueId, nextOffset, rule);
  }

  async commit(group: string, offsets: readonly QueueOffset[], rule: OffsetRule): Promise<void> {
    for (const { topic, queueId, nextOffset } of offsets) this.update(group, topic, queueId, nextOffset, rule);
    const { progress } = this.#engine;
    const claimed = rule === "set-unclaimed" ? [] : offsets;
    if (progress.hasPending) await this.#engine.write(() => progress.writeClaimed(group, claimed));
  }

  queryOfInstance(instance: BroadcastInstance, topic: string, queueId: number): Promise<QueueProgress> {
    return this.#engine.reads.read(() => {
      const { minOffset, maxOffset } = this.#engine.queues.get(topic, queueId);
      const nextOffset = this.#engine.progress.ofInstances.find(instance, topic, queueId);
      return { nextOffset, minOffset, maxOffset };
    });
  }

  updateOfInstance(
    instance: BroadcastInstance,
    topic: string,
    queueId: number,
    nextOffset: number,
    rule: OffsetRule,
  ): void {
    if (this.#connection.open) this.#engine.progress.ofInstances.update(instance, topic, queueId, nextOffset, rule);
  }
}
