import { getOrAdd } from "./get-or-add.js";
import type { ResolvedHistoryRules, StoredOffset } from "./history-rules.js";
import { nameConsumer, nameMessage } from "./history-text.js";
import { firstAtOrAfter } from "./sorted-numbers.js";
import type { TrackedHistory } from "./tracked-history.js";
import type { Consumer } from "./tracked-message.js";

/** Of one consumer and one message queue, ascending: the earliest time at which the progress was at least so far. */
interface Progress {
  readonly offsets: number[];
  readonly at: number[];
}

/** Stored progress has never passed a message that was not yet consumed, put off, dead-lettered or expired. */
export function* findPassed(history: TrackedHistory, { offsets, isFor }: ResolvedHistoryRules): Generator<string> {
  if (offsets.length === 0) return;
  const progress = new Map<Consumer, Map<string, Progress>>();
  for (const [consumer, ofConsumer] of byConsumer(history, offsets)) {
    progress.set(consumer, new Map([...ofConsumer].map(([queue, stored]) => [queue, earliest(stored)])));
  }
  for (const message of history.messages()) {
    const { stored, expired } = message;
    if (stored === undefined) continue;
    for (const [consumer, queues] of progress) {
      const queue = queues.get(`${stored.queueId} ${message.topic}`);
      if (queue === undefined) continue;
      const index = firstAtOrAfter(queue.offsets, stored.queueOffset + 1);
      const passedAt = queue.at[index];
      if (passedAt === undefined) continue;
      const acknowledgedAt = message.consumptions.get(consumer)?.acknowledgedAt ?? Number.POSITIVE_INFINITY;
      if (Math.min(acknowledgedAt, expired?.at ?? Number.POSITIVE_INFINITY) <= passedAt) continue;
      if (!isFor(stored, consumer.group, consumer.clientId)) continue;
      const when = acknowledgedAt === Number.POSITIVE_INFINITY ? "never was" : `was only at ${acknowledgedAt}`;
      yield `passed: at ${passedAt} the offset of ${nameConsumer(consumer)} was beyond ${nameMessage(message)}, which was to be acknowledged first and ${when}`;
    }
  }
}

function byConsumer(
  history: TrackedHistory,
  offsets: readonly StoredOffset[],
): ReadonlyMap<Consumer, ReadonlyMap<string, StoredOffset[]>> {
  const consumers = new Map<Consumer, Map<string, StoredOffset[]>>();
  for (const offset of offsets) {
    const consumer = history.consumerOf(offset.group, offset.clientId);
    const queues = getOrAdd(consumers, consumer, () => new Map<string, StoredOffset[]>());
    getOrAdd(queues, `${offset.queueId} ${offset.topic}`, () => []).push(offset);
  }
  return consumers;
}

function earliest(stored: readonly StoredOffset[]): Progress {
  const ascending = [...stored].sort((a, b) => a.nextOffset - b.nextOffset);
  const at = ascending.map((offset) => offset.at);
  for (let index = at.length - 2; index >= 0; index -= 1)
    at[index] = Math.min(at[index] as number, at[index + 1] as number);
  return { offsets: ascending.map(({ nextOffset }) => nextOffset), at };
}
