import { isMqError } from "../../lib/index.js";
import { type FaultCode, isLock } from "./fault-codes.js";
import type { FailedCall } from "./fault-driver.js";
import type { Operation } from "./fault-operation.js";
import { type CallEnd, errorOf, type FaultTrial, isDone } from "./fault-trial.js";
import { storeImage } from "./store-image.js";

/** What became of a fault. */
export interface FaultOutcome {
  readonly code: FaultCode;
  readonly failures: readonly FailedCall[];
  /** The store cannot know whether its last commit was made. */
  readonly isUnknown: boolean;
}

/** What happens when nothing fails. */
export interface Undisturbed {
  /** Of calls that are no sends, by what they are. */
  readonly ends: ReadonlyMap<string, CallEnd>;
  readonly before: string;
  readonly after: string;
}

/** Which codes a user may be told; after an unknown outcome others learn that the store stopped. */
function codesOf({ code, failures, isUnknown }: FaultOutcome, { isSynchronous }: Operation): readonly string[] {
  if (isUnknown) {
    const ofOthers = failures.length > 1 ? ["ERR_MQ_STORE"] : [];
    return ["ERR_MQ_OUTCOME_UNKNOWN", "ERR_MQ_SERVICE_NOT_AVAILABLE", ...ofOthers];
  }
  if (code === "SQLITE_FULL") return ["ERR_MQ_SERVICE_NOT_AVAILABLE"];
  if (code !== "SQLITE_BUSY") return ["ERR_MQ_STORE"];
  const isGoneAtOnce = failures.length === 1 && failures.every((failed) => isLock(failed, code));
  return isGoneAtOnce && isSynchronous !== true ? [] : ["ERR_MQ_SYSTEM_BUSY"];
}

function endsOf({ sends, starts, calls }: FaultTrial): readonly CallEnd[] {
  return [...sends.values(), ...starts, ...calls.values()];
}

/** What users and `error` events were told. */
export function errorsOf(trial: FaultTrial): readonly unknown[] {
  return [...endsOf(trial).map(errorOf), ...trial.events].filter((error) => error !== undefined);
}

export function reportProblems(trial: FaultTrial, outcome: FaultOutcome, operation: Operation): readonly string[] {
  const ends = endsOf(trial);
  const problems = ends.includes("pending") ? ["a call did not end"] : [];
  const errors = errorsOf(trial);
  const ofSqlite = new Set(outcome.failures.map(({ error }) => error));
  // What fails in the work of a transaction of the user's comes back as it is.
  for (const error of errors.filter((reported) => !ofSqlite.has(reported))) {
    if (!isMqError(error) || !codesOf(outcome, operation).includes(error.code))
      problems.push(`the error is ${describe(error)}`);
    if (!causesOf(error).some((cause) => ofSqlite.has(cause)))
      problems.push(`SQLite's error is no cause of ${describe(error)}`);
  }
  const isLogged = trial.logged.some((text) => text.includes(outcome.code));
  const isHeard = errors.length > 0 || isLogged || operation.isUnheard === true;
  if (outcome.code !== "SQLITE_BUSY" && !isHeard) problems.push("it is reported nowhere");
  return problems;
}

export function sendProblems(
  trial: FaultTrial,
  { isUnknown }: FaultOutcome,
  { rolledBack = [] }: Operation,
): readonly string[] {
  const problems: string[] = [];
  const stored = trial.copies();
  const unknown = new Map<unknown, Set<boolean>>();
  for (const [body, end] of trial.sends) {
    if (isDone(end) && !stored.has(body) && !rolledBack.includes(body))
      problems.push(`${body} is not stored though its send was successful`);
    const error = errorOf(end);
    if (error === undefined) continue;
    if (!isUnknown && stored.has(body)) problems.push(`${body} is stored though its send failed`);
    unknown.set(error, (unknown.get(error) ?? new Set()).add(stored.has(body)));
  }
  if ([...unknown.values()].some(({ size }) => size > 1)) problems.push("half of what was sent is stored");
  return problems;
}

/** What other calls say, and what those that failed have changed. */
export function callProblems(
  trial: FaultTrial,
  { isUnknown }: FaultOutcome,
  undisturbed: Undisturbed,
  { isWhole, isOpening }: Operation,
): readonly string[] {
  const problems = [...trial.calls].flatMap(([name, end]) => {
    const other = JSON.stringify(undisturbed.ends.get(name));
    return isDone(end) && JSON.stringify(end) !== other ? [`${name} gives ${JSON.stringify(end)}, not ${other}`] : [];
  });
  if (isWhole !== true || !trial.hasDatabase) return problems;
  const ends = endsOf(trial);
  const image = storeImage(trial.database);
  const isBefore = image === undisturbed.before;
  const isAfter = image === undisturbed.after;
  if (!isBefore && !isAfter) problems.push("it is neither done nor not done");
  else if (!isAfter && ends.every(isDone)) problems.push("it is not done though it was successful");
  // Tables that are made and empty do no harm.
  else if (!isBefore && !isUnknown && isOpening !== true && !ends.some(isDone))
    problems.push("it is done though it failed");
  return problems;
}

/** At this moment. */
export function copyProblems(trial: FaultTrial): readonly string[] {
  return [...trial.copies()].flatMap(([body, places]) => {
    if (places.length > 1) return [`${body} lives in ${places.join(" and ")}`];
    return places.length === 0 && !trial.consumed.includes(body) ? [`${body} is lost`] : [];
  });
}

/** What should have been tried again by now, without anybody else's commit. */
export function overdueProblems(trial: FaultTrial): readonly string[] {
  const due = trial.database
    .prepare(
      "SELECT (SELECT count(*) FROM mq_due WHERE due_at <= @now) + (SELECT count(*) FROM mq_pop WHERE visible_at <= @now) + (SELECT count(*) FROM mq_half WHERE check_at <= @now)",
    )
    .pluck();
  const problems = due.get({ now: trial.clock.now() }) === 0 ? [] : ["what is due was not moved"];
  const living = [...trial.copies()].filter(([, places]) => places.length > 0).map(([body]) => body);
  // One that is still being consumed holds up the offset.
  if (living.every((body) => trial.consumed.includes(body)))
    problems.push(...living.map((body) => `the acknowledgement of ${body} is not stored`));
  return problems;
}

export function stopProblems(trial: FaultTrial, { failures }: FaultOutcome): readonly string[] {
  const end = trial.sends.get("next");
  const error = errorOf(end);
  const causes = causesOf(error);
  const says =
    isMqError(error, "ERR_MQ_SERVICE_NOT_AVAILABLE") && failures.some((failed) => causes.includes(failed.error));
  return says ? [] : [`the next send does not say why the store stopped but ${describe(error ?? end)}`];
}

export function endProblems(what: string, end: CallEnd | undefined): readonly string[] {
  return isDone(end) ? [] : [`${what} ended with ${describe(errorOf(end) ?? end)}`];
}

export function isOver(trial: FaultTrial, { dead = [], givenUp = [] }: Operation): boolean {
  const copies = [...trial.copies()];
  if (copies.some(([, places]) => places.includes("half"))) return false;
  if (trial.starts.length === 0) return true;
  const endOf = (body: string): string => (dead.includes(body) ? "dead" : givenUp.includes(body) ? "given up" : "");
  return copies.every(([body, places]) => places.join() === endOf(body));
}

/** Of a file of the broker's own: what was made half before is made whole now. */
export function fileProblems({ place, isOpen, database }: FaultTrial): readonly string[] {
  if (place.guest !== undefined || !isOpen) return [];
  const names = ["page_size", "auto_vacuum", "application_id", "journal_mode"];
  const layout = names.map((name) => database.pragma(name, { simple: true })).join(" ");
  return layout === "4096 2 1349209425 wal" ? [] : [`the file has the layout ${layout}`];
}

export function connectionProblems({ place, isOpen }: FaultTrial): readonly string[] {
  const { openConnections } = place;
  if (openConnections === undefined || openConnections === Number(isOpen)) return [];
  return [`${openConnections} connections are open, the broker is ${isOpen ? "open" : "closed"}`];
}

/** In the end. */
export function outcomeProblems(
  trial: FaultTrial,
  { isUnknown }: FaultOutcome,
  operation: Operation,
): readonly string[] {
  const { database } = trial;
  const { dead = [], givenUp = [], rolledBack = [], transactor } = operation;
  const problems = isOver(trial, operation) ? [] : [`not over: ${JSON.stringify([...trial.copies()])}`];
  const stored = trial.copies();
  problems.push(
    ...rolledBack.filter((body) => stored.has(body)).map((body) => `${body} was rolled back, and is stored`),
  );
  // Where the store forgets nothing by its age.
  if (transactor !== undefined)
    for (const [body, end] of trial.sends)
      if (isDone(end) && !stored.has(body) && !rolledBack.includes(body)) problems.push(`${body} is gone`);
  problems.push(...askedProblems(trial, operation));
  const topics = database.prepare("SELECT topic FROM mq_queue WHERE topic NOT IN (SELECT topic FROM mq_topic)").pluck();
  problems.push(...topics.all().map((topic) => `${topic} has messages and does not exist`));
  if (new Set(trial.stored).size < trial.stored.length) problems.push(`told twice: ${trial.stored.join(", ")}`);
  if (trial.starts.length === 0) return problems;
  problems.push(...endProblems("the last start", trial.starts.at(-1)));
  const sentBack = database.prepare("SELECT count(*) FROM mq_sent_back").pluck().get();
  if (sentBack !== 0) problems.push("the offset has not passed what was sent back");
  problems.push(...(operation.outcome?.(trial) ?? []));
  const mayRepeat = isUnknown || operation.mayRepeat === true;
  for (const body of stored.keys()) {
    const times = trial.consumed.filter((consumed) => consumed === body).length;
    const isDead = dead.includes(body) || givenUp.includes(body);
    if (isDead ? times > 0 : mayRepeat ? times < 1 : times !== 1) problems.push(`${body} was consumed ${times} times`);
  }
  return problems;
}

/** Nobody is asked for one again before an interval is over, whatever failed meanwhile. */
function askedProblems({ asked }: FaultTrial, { settings }: Operation): readonly string[] {
  const { checkIntervalMs = 30_000 } = settings?.transaction ?? {};
  return [...asked].flatMap(([body, times]) =>
    times.some((at, index) => at - (times[index - 1] ?? Number.NEGATIVE_INFINITY) < checkIntervalMs)
      ? [`${body} was asked for at ${times.join(", ")}`]
      : [],
  );
}

function causesOf(error: unknown): readonly unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [error];
}

export function describe(error: unknown): string {
  return isMqError(error) ? `${error.code}: ${error.message}` : String(error);
}
