// The history of each message, out of what the processes told and what is stored at the end.

import { RETRY_DELAYS_MS } from "./workloads/traffic.mjs";

/**
 * The log says what was stored and when: a process may be killed between a commit and telling of it. What a listener returned is what the application knows, so
 * that counts as consumed. Order is by time, to the millisecond; within that, by the tick at which a process told.
 *
 * @returns the events for `checkHistory`.
 */
export function toHistory(end, { topic, isOrderly = false, isPopping = false, acknowledging }) {
  const { journal, messages, retries, deadLetters } = end;
  const common = { topic, tag: undefined, keys: [] };
  const byId = new Map(messages.map((message) => [message.messageId, message]));
  const history = messages.map(({ messageId, queueId, queueOffset, storeTimestamp }) => {
    return { ...common, at: storeTimestamp, state: "stored", messageId, queueId, queueOffset };
  });
  const ticks = new Map();
  const push = (entry, state, more = {}) => {
    const { at, group, clientId, messageId, deliveryAttempt } = entry;
    const { queueId, queueOffset } = entry.queueId === undefined ? (byId.get(messageId) ?? {}) : entry;
    history.push({ ...common, at, state, group, clientId, messageId, deliveryAttempt, queueId, queueOffset, ...more });
    ticks.set(history.at(-1), entry.tick);
  };
  const ends = isPopping ? endsOfDeliveries(journal, deadLetters) : endsOfEffects(end, acknowledging);
  for (const entry of journal.entries) {
    if (entry.event === "delivered") {
      push(entry, "delivered");
      for (const [state, more] of ends.get(entry) ?? []) push(entry, state, more);
    }
    const isTold = acknowledging === undefined || entry.group !== acknowledging.group || !acknowledging.isEarly(entry);
    if (entry.event === "returned" && entry.result === "success" && isTold) push(entry, "consumed");
    if (isPopping) continue;
    if (entry.event === "dead-lettered") push(entry, "dead-lettered");
    // Told after the commit; others may know sooner. The delay was added when it was put off. Nobody else knows of what waits in order.
    if (entry.event === "retried" && !isOrderly)
      push(entry, "retried", { at: entry.dueAt - delayAfter(entry.deliveryAttempt), dueAt: entry.dueAt });
  }
  if (!isPopping) for (const [entry, state, at] of untold(journal, retries, deadLetters)) push(entry, state, { at });
  return history
    .map((event, index) => ({ event, tick: ticks.get(event) ?? 0, index }))
    .sort((a, b) => a.event.at - b.event.at || a.tick - b.tick || a.index - b.index)
    .map(({ event }) => event);
}

/** From when on a client had nothing in hand: its process was killed, closed, hung, or shared its queues anew, or the time of its one message was up. */
export function listGone({ entries, lives }) {
  const gone = lives.flatMap(({ clientIds, goneAt, hungAt }) =>
    [...clientIds].flatMap((clientId) => [goneAt, ...hungAt].map((at) => ({ clientId, at }))),
  );
  const closing = new Set();
  const ends = new Map();
  const hiding = new Map();
  for (const { event, at, clientId, life, until, result } of entries) {
    if (event === "closing") closing.add(life);
    // What it still gets it gives away within the same close.
    if (event === "delivered" && closing.has(life)) gone.push({ clientId, at });
    if (until !== undefined) ends.set(clientId, until);
    if (event === "returned" && result !== "success") hiding.set(clientId, at);
    if (event === "hidden") hiding.delete(clientId);
    if (event === "sharing") gone.push({ clientId, at });
    if (event === "closing") gone.push(...[...life.clientIds].map((each) => ({ clientId: each, at })));
  }
  for (const [clientId, at] of ends) gone.push({ clientId, at });
  // Killed between giving its one message back and telling of it.
  for (const [clientId, at] of hiding) if (ends.has(clientId)) gone.push({ clientId, at });
  return gone;
}

/**
 * What became of popped messages, by their deliveries: put off when the time was up, or buried. Who does that is anybody, and tells of it after those who
 * know of it.
 */
function endsOfDeliveries({ entries }, deadLetters) {
  const nameOf = ({ group, messageId }) => `${group} ${messageId}`;
  const attemptOf = (entry) => `${nameOf(entry)} ${entry.deliveryAttempt}`;
  const [last, byAttempt, ends] = [new Map(), new Map(), new Map()];
  for (const entry of entries.filter(({ event }) => event === "delivered")) {
    // What a process told may be read long after it.
    if (entry.at >= (last.get(nameOf(entry))?.at ?? 0)) last.set(nameOf(entry), entry);
    byAttempt.set(attemptOf(entry), entry);
  }
  const end = (entry, state, at, more) => {
    if (entry !== undefined)
      ends.set(entry, [...(ends.get(entry) ?? []), [state, { at: Math.max(entry.at, at), ...more }]]);
  };
  for (const entry of entries.filter(({ event }) => event === "retried"))
    end(byAttempt.get(attemptOf(entry)), "retried", entry.dueAt, { dueAt: entry.dueAt });
  for (const [group, copies] of deadLetters)
    for (const { messageId, storeTimestamp } of copies)
      end(last.get(nameOf({ group, messageId })), "dead-lettered", storeTimestamp);
  return ends;
}

/**
 * Messages that are acknowledged by a transaction, before their listener can tell: they count as consumed from their delivery on. What a process told no more of that was
 * killed was acknowledged if nobody got it again and it may be.
 */
function endsOfEffects(end, acknowledging) {
  const [last, running, ends] = [new Map(), new Map(), new Map()];
  if (acknowledging === undefined) return ends;
  const told = new Set();
  for (const entry of end.journal.entries) {
    const { event, group, clientId, messageId, deliveryAttempt } = entry;
    if (group !== acknowledging.group) continue;
    const what = `${clientId} ${messageId} ${deliveryAttempt}`;
    if (event === "delivered") {
      running.set(what, entry);
      if (entry.tick > (last.get(messageId)?.tick ?? 0)) last.set(messageId, entry);
    }
    if (event !== "returned") continue;
    const delivery = running.get(what);
    told.add(delivery);
    if (entry.result === "success" && acknowledging.isEarly(entry)) ends.set(delivery, [["consumed", {}]]);
  }
  for (const entry of last.values())
    if (!told.has(entry) && acknowledging.isDone(end, entry)) ends.set(entry, [["consumed", {}]]);
  return ends;
}

/** Copies of failed messages that were stored by processes that were killed before they could tell. */
function* untold(journal, retries, deadLetters) {
  const nameOf = ({ group, messageId, deliveryAttempt }) => `${group} ${messageId} ${deliveryAttempt}`;
  const told = new Set();
  const failed = new Map();
  for (const entry of journal.entries) {
    if (entry.event === "retried" || entry.event === "dead-lettered") told.add(nameOf(entry));
    // The last one: an earlier copy would have kept the message from coming again.
    if (entry.event === "returned" && entry.result !== "success") failed.set(nameOf(entry), entry);
  }
  for (const [group, copies] of retries) {
    for (const { messageId, reconsumeTimes, storeTimestamp } of copies) {
      const name = nameOf({ group, messageId, deliveryAttempt: reconsumeTimes });
      const entry = failed.get(name);
      if (told.has(name) || entry === undefined) continue;
      const at = Math.min(entry.life.goneAt, storeTimestamp - delayAfter(reconsumeTimes));
      yield [entry, "retried", Math.max(entry.at, at)];
    }
  }
  for (const [group, copies] of deadLetters) {
    for (const { messageId, reconsumeTimes, storeTimestamp } of copies) {
      const name = nameOf({ group, messageId, deliveryAttempt: reconsumeTimes });
      const entry = failed.get(name);
      if (told.has(name) || entry === undefined) continue;
      yield [entry, "dead-lettered", storeTimestamp];
    }
  }
}

/** How long the message waits that failed in this attempt. */
function delayAfter(attempt) {
  return RETRY_DELAYS_MS[Math.min(attempt + 1, RETRY_DELAYS_MS.length - 1)];
}
