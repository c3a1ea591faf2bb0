import type { ResolvedHistoryRules } from "./history-rules.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import type { TrackedHistory } from "./tracked-history.js";
import type { Consumer, Consumption, TrackedMessage } from "./tracked-message.js";

/**
 * At the end each consumer of a topic has consumed each message of it, or the message was dead-lettered or has expired. A message that was never
 * stored, as far as the history knows, is owed to those alone who got it.
 */
export function* findLost(history: TrackedHistory, { isFor }: ResolvedHistoryRules): Generator<string> {
  for (const message of history.messages()) {
    if (message.rolledBack !== undefined || message.expired !== undefined) continue;
    const { stored } = message;
    const owed = stored === undefined ? message.consumptions.keys() : history.participants(message.topic);
    for (const consumer of owed) {
      const consumption = message.consumptions.get(consumer);
      if (consumption !== undefined && isOver(consumption)) continue;
      if (stored !== undefined && !isFor(stored, consumer.group, consumer.clientId)) continue;
      yield describeLost(message, consumer, consumption);
    }
  }
}

function isOver({ consumed, deadLettered, expired }: Consumption): boolean {
  return (consumed ?? deadLettered ?? expired) !== undefined;
}

function describeLost(message: TrackedMessage, consumer: Consumer, consumption: Consumption | undefined): string {
  const { stored } = message;
  const what = `lost: ${nameMessage(message)}${stored === undefined ? "" : `, ${stored.state} at ${stored.at},`} was never`;
  if (consumption?.newest === undefined) return `${what} delivered to ${nameConsumer(consumer)}`;
  const { newest, retried } = consumption;
  const since =
    retried !== undefined && retried.at >= newest.at
      ? `put off at ${retried.at}`
      : `delivered last ${nameDelivery(newest)}`;
  return `${what} consumed by ${nameConsumer(consumer)}: it was ${since}`;
}
