// What must hold of a store after a power cut, from what the workload was told before it.

import { GROUP, HANDLERS } from "./workload-run.mjs";

/** Told when something is on the disk. */
const DURABLE = ["stored", "undone", "acknowledged", "completed", "closed"];
/** Where a message is that nobody has failed on. */
const UNTOUCHED = ["queue", "popped"];

/**
 * The rules, `full` and `normal`:
 *
 * - each message was sent, is there once and as it was sent; a unit is there with all its messages and rows or not at all
 * - an effect is there with its message, or with a half message of which somebody is asked; a message of a transaction is not there without its effect, nor with its half message
 * - what happens once for a key is there once, with the key and the acknowledgement of its message, none of them without the others
 * - a message that a group is past was returned by its listener; one that went elsewhere has failed; each that was not consumed has one live copy
 * - the store is as it was after one of its commits: `digests` has what it held after each event, had all been on the disk
 *
 * `full`: that commit is none before the last thing that was told to be stored, all such units are there, what was rolled back is not, what was acknowledged does not come again, what was completed is done, and after `closed` all
 * progress is there.
 * `normal`: when a unit is missing then so is every one that was stored after it.
 *
 * @param told - the marks before the cut, in order, with the point behind each.
 */
export function judge({ point, promise, told, digests }, { digest, content }) {
  const units = new Map();
  const stored = [];
  const undone = [];
  const returned = new Map();
  const acknowledged = new Set();
  const completed = [];
  let lastStoredPoint = 0;
  let isClosed = false;
  for (const { mark, after } of told) {
    if (mark.kind === "begun") units.set(mark.unit, mark);
    else if (mark.kind === "returned") returned.set(mark.key, [...(returned.get(mark.key) ?? []), mark.result]);
    else if (mark.kind === "stored") stored.push(mark.unit);
    else if (mark.kind === "undone") undone.push(mark.unit);
    else if (mark.kind === "acknowledged") acknowledged.add(mark.key);
    else if (mark.kind === "completed") completed.push(mark.key);
    if (DURABLE.includes(mark.kind)) lastStoredPoint = after;
    isClosed = mark.kind === "closed" || (isClosed && mark.kind !== "returned");
  }
  const isFull = promise === "full";
  const presence = presenceOf(units, content);
  return [
    ...findStrangers(units, content),
    ...findHalves(units, presence),
    ...(isFull ? findMissing(stored, presence) : findHoles(units, stored, presence)),
    ...findWrongEffects(units, content),
    ...findWrongKeys(units, content, returned),
    ...(isFull ? findUndone(units, undone, content) : []),
    ...findWrongCopies(content, returned, isFull && isClosed),
    ...(isFull ? findForgotten(content, acknowledged) : []),
    ...(isFull ? findIncomplete(content, completed) : []),
    ...findNoCommit(digests, isFull ? lastStoredPoint : 0, point, digest),
  ];
}

/** By unit: how many of its messages and rows are there, and how many it has. */
function presenceOf(units, { messages, rows }) {
  const there = new Set(messages.map(({ key }) => key));
  const rowsThere = new Set(rows);
  const presence = new Map();
  for (const [unit, begun] of units) {
    const found =
      begun.messages.filter(({ key }) => there.has(key)).length + begun.rows.filter((key) => rowsThere.has(key)).length;
    presence.set(unit, { found, of: begun.messages.length + begun.rows.length });
  }
  return presence;
}

function findStrangers(units, { messages, rows, halves = [] }) {
  const sizes = new Map([...units.values()].flatMap((unit) => unit.messages.map(({ key, size }) => [key, size])));
  const ownRows = new Set([...units.values()].flatMap((unit) => [...unit.rows, ...(unit.effects ?? [])]));
  const seen = new Set();
  const problems = [];
  for (const { key, size, isWhole } of messages) {
    if (!sizes.has(key)) problems.push(`message ${JSON.stringify(key)} was never sent`);
    else if (!isWhole || size < sizes.get(key)) problems.push(`message ${key} is not as it was sent`);
    if (seen.has(key)) problems.push(`message ${key} is there twice`);
    seen.add(key);
  }
  for (const key of halves) if (!sizes.has(key)) problems.push(`half message ${JSON.stringify(key)} was never sent`);
  for (const key of rows) if (!ownRows.has(key)) problems.push(`row ${JSON.stringify(key)} was never written`);
  return problems;
}

function findHalves(units, presence) {
  return [...units.keys()].flatMap((unit) => {
    const { found, of } = presence.get(unit);
    return found === 0 || found === of ? [] : [`unit ${unit} is there in part: ${found} of ${of}`];
  });
}

/** Of transactions whose effects are committed by themselves. */
function findWrongEffects(units, { messages, rows, halves = [] }) {
  const there = new Set(messages.map(({ key }) => key));
  return [...units.values()].flatMap(({ effects = [] }) =>
    effects.flatMap((key) => {
      const [hasEffect, isOpen] = [rows.includes(key), halves.includes(key)];
      if (there.has(key) && !hasEffect) return [`message ${key} is there without its effect`];
      if (there.has(key) && isOpen) return [`message ${key} is there, and is asked for again`];
      if (hasEffect && !there.has(key) && !isOpen)
        return [`the effect of ${key} is there, and its message never will be`];
      return [];
    }),
  );
}

/** Of effects that happen once for a key. */
function findWrongKeys(units, content, returned) {
  const { rows, copies, done = [] } = content;
  const made = new Map();
  for (const unit of units.values()) {
    if (unit.of === undefined) continue;
    const isThere = unit.rows.some((row) => rows.includes(row));
    made.set(unit.of, (made.get(unit.of) ?? 0) + (isThere ? 1 : 0));
  }
  const isMade = (key) => made.get(key) === 1 && !returned.get(key)?.includes("retry");
  return [...made].flatMap(([key, times]) => {
    const isDone = done.includes(`${GROUP} ${key}`);
    if (times > 1) return [`the effect of ${key} is there ${times} times`];
    if (times === 1 && !isDone) return [`the effect of ${key} is there without its key`];
    if (times === 0 && isDone) return [`key ${key} is done without its effect`];
    if (times === 0 && copies?.get(key)?.length === 0) return [`message ${key} is acknowledged without its effect`];
    if (copies?.get(key)?.includes("queue") && upTo(key, content).every(isMade))
      return [`message ${key} comes again, though its effect is there`];
    return [];
  });
}

/** Keys of the messages of a queue up to that of this one: only together with all of them it is acknowledged. */
function upTo(key, { messages }) {
  const last = messages.find((message) => message.key === key);
  return messages
    .filter(({ queueId, queueOffset }) => queueId === last.queueId && queueOffset <= last.queueOffset)
    .map((message) => message.key);
}

function findIncomplete({ done = [] }, completed) {
  return completed
    .filter((key) => !done.includes(`${HANDLERS} ${key}`))
    .map((key) => `key ${key} was completed and is not done`);
}

function findUndone(units, undone, { messages, halves = [] }) {
  const there = new Set([...messages.map(({ key }) => key), ...halves]);
  return undone
    .filter((unit) => units.get(unit).messages.some(({ key }) => there.has(key)))
    .map((unit) => `unit ${unit} was rolled back and is there`);
}

function findMissing(stored, presence) {
  return stored
    .filter((unit) => presence.get(unit).found === 0)
    .map((unit) => `unit ${unit} was stored and is missing`);
}

function findHoles(units, stored, presence) {
  const missing = stored.findIndex((unit) => presence.get(unit).found === 0);
  if (missing === -1) return [];
  const before = new Set(stored.slice(0, missing));
  return [...units.keys()]
    .filter((unit) => !before.has(unit) && presence.get(unit).found > 0)
    .map((unit) => `unit ${unit} is there, and ${stored[missing]}, stored before it, is missing`);
}

function findWrongCopies({ copies }, returned, isClosed) {
  if (copies === undefined) return [];
  return [...copies].flatMap(([key, places]) => {
    const results = returned.get(key) ?? [];
    const isConsumed = results.includes("success");
    if (places.length > 1) return [`message ${key} is live more than once: ${places}`];
    if (places.length === 0 && !isConsumed) return [`message ${key} was not consumed and has no live copy`];
    if (places.length > 0 && !UNTOUCHED.includes(places[0]) && !results.includes("retry"))
      return [`message ${key} is in ${places} and never failed`];
    if (isClosed && isConsumed && places.length > 0)
      return [`message ${key} was consumed before closing and comes again`];
    return [];
  });
}

function findForgotten({ copies }, acknowledged) {
  return [...acknowledged]
    .filter((key) => (copies?.get(key) ?? []).length > 0)
    .map((key) => `message ${key} was acknowledged and comes again`);
}

function findNoCommit(digests, from, to, digest) {
  for (let point = from; point <= to; point += 1) if (digests[point] === digest) return [];
  const earlier = digests.indexOf(digest);
  if (earlier !== -1 && earlier < from)
    return [`the store is as it was after event ${earlier}, and ${from} was told to be stored`];
  return ["the store is as it was after none of its commits"];
}
