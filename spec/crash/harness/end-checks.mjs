// What must hold of every workload when all is done, besides the history of each message.

import { retryTopicOf } from "./end-state.mjs";

/** @param end - see end-state.mjs. */
export function* checkEnd(end, workload) {
  yield* checkSends(end);
  yield* checkDelays(end);
  yield* checkBatches(end);
  yield* checkTransactions(end);
  yield* checkEvents(end, workload);
  yield* checkCalm(end);
  for (const [group, copies] of end.retries)
    yield* findTwice(
      copies,
      ({ messageId, reconsumeTimes }) => `retry ${reconsumeTimes} of message ${messageId} in group ${group}`,
    );
  for (const [group, copies] of end.deadLetters)
    yield* findTwice(copies, ({ messageId }) => `the dead letter of message ${messageId} in group ${group}`);
  yield* findTwice(end.messages, ({ name }) => `message ${name}`);
  yield* workload.check(end);
}

function* findTwice(copies, describe) {
  const seen = new Set();
  for (const copy of copies) {
    const what = describe(copy);
    if (seen.has(what)) yield `stored twice: ${what}`;
    seen.add(what);
  }
}

/** What was resolved is stored, where the receipt says; what was refused or undone is not. */
function* checkSends({ journal, byName }) {
  for (const { event, names, receipts, code } of journal.entries) {
    if (event === "sent") {
      for (const [index, name] of names.entries()) {
        const [message] = byName.get(name) ?? [];
        const receipt = receipts[index];
        if (message === undefined) yield `lost: the send of ${name} was resolved, but it is not stored`;
        else if (receipt !== undefined && !isSame(receipt, message))
          yield `misplaced: the receipt of ${name} is ${JSON.stringify(receipt)}, but it is stored as ${JSON.stringify(message)}`;
      }
    }
    const isRefused = event === "undone" || (event === "refused" && code !== "ERR_MQ_OUTCOME_UNKNOWN");
    if (isRefused)
      for (const name of names)
        if (byName.has(name))
          yield `ghost: the send of ${name} was ${event} (${code ?? "its transaction"}), but it is stored`;
  }
}

function isSame(receipt, message) {
  return ["messageId", "queueId", "queueOffset"].every((key) => receipt[key] === message[key]);
}

/** What was put off came to its queue no sooner than it was to. */
function* checkDelays({ journal, byName }) {
  for (const { event, names, deliverAt } of journal.entries) {
    if (event !== "sending" || deliverAt === undefined) continue;
    const [name] = names;
    const [message] = byName.get(name) ?? [];
    if (message !== undefined && message.storeTimestamp < deliverAt)
      yield `early: ${name} was stored at ${message.storeTimestamp}, though it was put off until ${deliverAt}`;
  }
}

/** All of a batch is stored, one behind the other in one queue, or nothing of it. */
function* checkBatches({ journal, byName }) {
  for (const { event, way, names } of journal.entries) {
    if (event !== "sending" || way !== "batch") continue;
    const stored = names.map((name) => byName.get(name)?.[0]);
    const [first] = stored;
    if (stored.every((message) => message === undefined)) continue;
    const isWhole = stored.every(
      (message, index) => message?.queueId === first?.queueId && message?.queueOffset === first?.queueOffset + index,
    );
    if (!isWhole) yield `half stored: of the batch ${names.join(", ")} ${JSON.stringify(stored)} is stored`;
  }
}

/** An application's row is there if and only if the message of its transaction is. */
function* checkTransactions({ journal, byName, rows }) {
  for (const { event, way, names } of journal.entries) {
    if (event !== "sending" || way !== "transaction") continue;
    const [name] = names;
    if (rows.has(name) !== byName.has(name))
      yield `half stored: the row of ${name} is ${rows.has(name) ? "" : "not "}there, its message is ${byName.has(name) ? "" : "not "}stored`;
  }
}

/** No send that can wait is refused: nobody holds the store for long. Nothing is logged as an error. */
function* checkCalm({ journal, acknowledged }) {
  if (acknowledged > 0) yield `left over: ${acknowledged} rows of messages that are acknowledged`;
  for (const { event, way, names, code, text } of journal.entries) {
    if (event === "refused" && (way === "single" || way === "batch" || way === "local"))
      yield `refused: the send of ${names.join(", ")} (${code})`;
    if (event === "logged") yield `logged as an error: ${text}`;
  }
}

/** What was told as stored or delivered is stored there, and every group took part. */
function* checkEvents({ journal, messages, retries, deadLetters }, workload) {
  const { topic, groups, broadcasting, isOrderly = false } = workload;
  const places = new Map();
  const add = (name, copies) => {
    for (const { messageId, queueId, queueOffset } of copies)
      places.set(`${name} ${queueId} ${queueOffset}`, messageId);
  };
  add(topic, messages);
  for (const [group, copies] of retries) add(retryTopicOf(workload, group), copies);
  for (const [group, copies] of deadLetters) add(`%DLQ%${group}`, copies);
  const seen = new Set();
  for (const entry of journal.entries) {
    if (entry.event !== "stored" && entry.event !== "delivered") continue;
    const { event, group, deliveryAttempt, messageId, queueId, queueOffset } = entry;
    const isCopy = deliveryAttempt > 1 && !isOrderly;
    const name = event === "stored" ? entry.topic : isCopy ? retryTopicOf(workload, group) : topic;
    if (event === "delivered") seen.add(group);
    const found = places.get(`${name} ${queueId} ${queueOffset}`);
    if (found !== messageId)
      yield `ghost: message ${messageId} was told as ${event} at ${entry.at} from ${name}, queue ${queueId}, offset ${queueOffset}, where ${found} is`;
  }
  // Few kills may leave no process the time to send anything.
  const known = messages.length === 0 ? [] : [...groups, ...broadcasting.map((each) => each.group)];
  for (const group of known) if (!seen.has(group)) yield `idle: group ${group} got no message at all`;
}
