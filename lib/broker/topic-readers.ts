import { SYSTEM_GROUPS } from "../message/system-topics.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { Store } from "../store/store.js";

/**
 * Who consumes a topic: groups that have subscribed to it or have progress in any queue of it, and instances of broadcasting ones that have. RocketMQ's own groups are
 * tools, and hold up nothing.
 */
interface Readers {
  readonly groups: readonly string[];
  readonly instances: readonly BroadcastInstance[];
}

/** How far those have come who consume a topic, inside one transaction. */
export class TopicReaders {
  readonly #store: Store;
  readonly #readers = new Map<string, Readers>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * By group, the lowest offset that somebody of it has not consumed; what is popped and not acknowledged is not. A queue of the topic in which a group has no
   * progress is at 0 for it.
   */
  offsetsIn(topic: string, queueId: number, queueKey: number): ReadonlyMap<string, number> {
    const { consumeOffsets, broadcastOffsets, pops } = this.#store;
    const { groups, instances } = this.#of(topic);
    const offsets = new Map<string, number>();
    const note = (group: string, offset: number): void => {
      offsets.set(group, Math.min(offset, offsets.get(group) ?? Number.POSITIVE_INFINITY));
    };
    for (const group of groups) {
      note(group, consumeOffsets.find(group, topic, queueId) ?? 0);
      const inHand = pops.firstInHand(group, queueKey);
      if (inHand !== undefined) note(group, inHand);
    }
    for (const instance of instances) note(instance.group, broadcastOffsets.find(instance, topic, queueId) ?? 0);
    return offsets;
  }

  #of(topic: string): Readers {
    const known = this.#readers.get(topic);
    if (known !== undefined) return known;
    const { subscriptions, consumeOffsets, broadcastOffsets } = this.#store;
    const groups = new Set([...subscriptions.listGroups(topic), ...consumeOffsets.listGroups(topic)]);
    const readers = {
      groups: [...groups].filter((group) => !SYSTEM_GROUPS.has(group)),
      instances: broadcastOffsets.listOfTopic(topic),
    };
    this.#readers.set(topic, readers);
    return readers;
  }
}
