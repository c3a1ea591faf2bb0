// What a slice comes to: all that was told, and all that is stored when every message is done.

import { listTopic } from "./store-state.mjs";

/** Where what a group failed to consume waits. */
export function retryTopicOf({ topic, isPopping = false }, group) {
  return isPopping ? `%RETRY%${group}_${topic}` : `%RETRY%${group}`;
}

/**
 * - `journal`: what the processes told.
 * - `messages`: of the workload's topic, as `listTopic` gives them; `byName`: the same by their bodies.
 * - `retries` and `deadLetters`: the same for the topics of each clustering group, by group.
 * - `rows`: names in the application's own table.
 * - `own`: what the workload reads of what is its own.
 * - `acknowledged`: rows that keep single acknowledgements, or what is in hand, of which there are none any more when all is consumed.
 */
export async function readEndState(mq, workload, journal) {
  const messages = await listTopic(mq, workload.topic);
  const byName = new Map();
  for (const message of messages) byName.set(message.name, [...(byName.get(message.name) ?? []), message]);
  const [retries, deadLetters] = [new Map(), new Map()];
  for (const group of workload.groups) {
    retries.set(group, await listTopic(mq, retryTopicOf(workload, group)));
    deadLetters.set(group, await listTopic(mq, `%DLQ%${group}`));
  }
  const rows = new Set(mq.database.prepare("SELECT name FROM crash_row").pluck().all());
  const acknowledged = ["mq_sent_back", "mq_pop", "mq_pop_order"].reduce(
    (sum, table) => sum + mq.database.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
    0,
  );
  return { journal, messages, byName, retries, deadLetters, rows, acknowledged, own: workload.read?.(mq) };
}
