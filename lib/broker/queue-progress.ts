import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { QueueProgress } from "./broker-port.js";
import type { Engine } from "./engine.js";

/**
 * Inside a read. A group without progress gets a young queue, from which nothing was ever deleted, from its beginning, whatever it asked for.
 *
 * Source: RocketMQ, `broker/.../processor/ConsumerManageProcessor.java`, `queryConsumerOffset`; every message counts as resident in memory.
 */
export function progressOfGroup(engine: Engine, group: string, topic: string, queueId: number): QueueProgress {
  const { minOffset, maxOffset } = engine.queues.get(topic, queueId);
  const isYoung = minOffset === 0 && maxOffset > 0;
  return { nextOffset: engine.offsets.find(group, topic, queueId) ?? (isYoung ? 0 : undefined), minOffset, maxOffset };
}

/** Inside a read. */
export function progressOfInstance(
  engine: Engine,
  instance: BroadcastInstance,
  topic: string,
  queueId: number,
): QueueProgress {
  const { minOffset, maxOffset } = engine.queues.get(topic, queueId);
  return { nextOffset: engine.progress.ofInstances.find(instance, topic, queueId), minOffset, maxOffset };
}
