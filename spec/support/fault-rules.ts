import { type ConsumeResult, isMqError, type MessageView, type PushConsumerSettings } from "../../lib/index.js";
import type { FailedCall, FaultMoment } from "./fault-driver.js";
import { type CallEnd, FaultTrial } from "./fault-trial.js";
import { findProblems } from "./test-broker.js";

/** Primary result codes of SQLite. */
export const FAULT_CODES = ["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_CORRUPT"] as const;
export type FaultCode = (typeof FAULT_CODES)[number];

/** Something that a fault may hit. */
export interface Operation {
  readonly listener?: (message: MessageView) => ConsumeResult | Promise<ConsumeResult>;
  readonly consumer?: Partial<PushConsumerSettings>;
  /** Bodies of messages that are dead letters in the end. All others are consumed then. */
  readonly dead?: readonly string[];
  /** It cannot wait for another connection's lock. */
  readonly isSynchronous?: boolean;
  /** What comes before, on a connection that works. */
  readonly prepare?: (trial: FaultTrial) => unknown;
  /** A fault hits a call of a statement in here or in the 60 ms after it. */
  readonly act: (trial: FaultTrial) => unknown;
  /** What else is wrong after it. */
  readonly problems?: (trial: FaultTrial) => readonly string[];
}

interface Fault {
  readonly call: number;
  readonly code: FaultCode;
  readonly moment: FaultMoment;
}

/** Those that are tried in both ways; SQLite may end the transaction when it has no memory too. */
const ROLLING_BACK: readonly FaultCode[] = ["SQLITE_FULL", "SQLITE_IOERR"];
/** As long as the first retry waits, and longer than anything else does. */
const ROUND_MS = 11_000;
const MAX_ROUNDS = 8;
/** What could not be stored or moved is tried again after a second. */
const SOON_MS = 2_000;

/**
 * Fails each call of a statement that the operation makes, one in each trial, and lists what broke a rule:
 *
 * - A call of the user ends, and where it fails its message is not stored, unless the outcome is unknown. Its error and every `error` event have the code
 *   of the fault, and SQLite's error among their causes. A lock that is gone at once fails only what cannot wait. Nothing is thrown where nobody can catch
 *   it, and no fault but a lock goes unreported.
 * - At every moment a message has one live copy, or none once it was consumed.
 * - What could not be stored or moved is tried again by itself, and the next call works. Only after a commit whose outcome is unknown it says that the
 *   store stopped; then nothing is tried again, and a new broker goes on.
 * - In the end every message is consumed, once unless the store stopped, or a dead letter; no event told of it twice, the offsets have passed all, and the
 *   store is sound.
 */
export async function tryFaults(operation: () => Operation, code: FaultCode): Promise<readonly string[]> {
  const calls = await callsOf(operation());
  const problems = calls.includes("COMMIT") ? [] : ["the operation commits nothing"];
  for (const [index, source] of calls.entries()) {
    for (const moment of momentsOf(source, code)) {
      const found = await runTrial(operation(), { call: index + 1, code, moment });
      const name = `call ${index + 1}, ${moment} ${source.replace(/\s+/g, " ").slice(0, 60)}`;
      problems.push(...found.map((problem) => `${name}: ${problem}`));
    }
  }
  return problems;
}

/** The statements that the operation calls when nothing fails. */
async function callsOf(operation: Operation): Promise<readonly string[]> {
  const trial = await begin(operation, { call: 0, code: "SQLITE_FULL", moment: "before" });
  trial.driver.heal();
  const calls = [...trial.driver.calls];
  await trial.close();
  trial.driver.database.close();
  return calls;
}

/** What SQLite can do: a lock changes nothing, a commit for which there was no room was not made, only a write or a commit may end the transaction. */
function momentsOf(source: string, code: FaultCode): readonly FaultMoment[] {
  const isCommit = source === "COMMIT";
  const writes = isCommit || /^(?:INSERT|DELETE|UPDATE|SAVEPOINT|RELEASE)/.test(source);
  if (isCommit && code !== "SQLITE_FULL" && code !== "SQLITE_BUSY") return ["before", "after", "rolled back"];
  return writes && ROLLING_BACK.includes(code) ? ["before", "rolled back"] : ["before"];
}

async function begin(operation: Operation, { call, code, moment }: Fault): Promise<FaultTrial> {
  const trial = new FaultTrial(operation.listener ?? (() => "success"), operation.consumer);
  await trial.open();
  await operation.prepare?.(trial);
  await trial.pass();
  trial.driver.failCall(call, code, moment);
  await operation.act(trial);
  await trial.pass();
  return trial;
}

async function runTrial(operation: Operation, fault: Fault): Promise<readonly string[]> {
  const trial = await begin(operation, fault);
  const { failed, database } = trial.driver;
  trial.driver.heal();
  if (failed === undefined) return ["the fault was not met"];
  const isStopped = failed.source === "COMMIT" && fault.code !== "SQLITE_FULL" && fault.code !== "SQLITE_BUSY";
  const isLock = fault.code === "SQLITE_BUSY" && /^(?:BEGIN|COMMIT)/.test(failed.source);
  const mayFail = !isLock || operation.isSynchronous === true;
  const problems = [
    ...reportProblems(trial, failed, mayFail ? codesOf(fault.code, isStopped) : [], fault.code),
    ...sendProblems(trial, isStopped),
    ...copyProblems(trial),
    ...(operation.problems?.(trial) ?? []),
  ];

  await trial.pass(SOON_MS);
  if (!isStopped) problems.push(...overdueProblems(trial));
  trial.send("next", 1);
  await trial.pass(ROUND_MS);
  problems.push(...(isStopped ? stopProblems(trial, failed) : endProblems("the next send", trial.sends.get("next"))));
  if (isStopped) {
    const reports = trial.events.length + trial.logged.length;
    await trial.pass(ROUND_MS);
    if (trial.events.length + trial.logged.length > reports)
      problems.push("the stopped store is tried again and again");
    await trial.close();
    await trial.open();
    trial.send("after opening again");
  }
  if (trial.starts.length > 0 && (isStopped || trial.starts.at(-1) !== "done")) trial.start();
  await trial.pass();
  for (let round = 0; round < MAX_ROUNDS && !isOver(trial, operation); round += 1) await trial.pass(ROUND_MS);
  problems.push(...outcomeProblems(trial, operation, isStopped), ...copyProblems(trial), ...findProblems(database));
  const failure = await trial.close();
  if (failure !== undefined) problems.push(`closing failed: ${describe(failure)}`);
  problems.push(...trial.clock.thrown.map((error) => `uncaught: ${describe(error)}`));
  database.close();
  return problems;
}

/** Which codes a user may be told; after an unknown outcome others learn that the store stopped. */
function codesOf(code: FaultCode, isStopped: boolean): readonly string[] {
  if (isStopped) return ["ERR_MQ_OUTCOME_UNKNOWN", "ERR_MQ_SERVICE_NOT_AVAILABLE"];
  if (code === "SQLITE_FULL") return ["ERR_MQ_SERVICE_NOT_AVAILABLE"];
  return [code === "SQLITE_BUSY" ? "ERR_MQ_SYSTEM_BUSY" : "ERR_MQ_STORE"];
}

/** @param codes - those that a user may be told. */
function reportProblems(
  trial: FaultTrial,
  failed: FailedCall,
  codes: readonly string[],
  code: FaultCode,
): readonly string[] {
  const { sends, starts, events, logged } = trial;
  const ends = [...sends.values(), ...starts];
  const problems = ends.includes("pending") ? ["a call did not end"] : [];
  const errors = [...ends.flatMap((end) => (typeof end === "object" ? [end.error] : [])), ...events];
  for (const error of errors) {
    if (!isMqError(error) || !codes.includes(error.code)) problems.push(`the error is ${describe(error)}`);
    if (!causesOf(error).includes(failed.error)) problems.push(`SQLite's error is no cause of ${describe(error)}`);
  }
  if (code !== "SQLITE_BUSY" && errors.length === 0 && !logged.some((text) => text.includes(code)))
    problems.push("it is reported nowhere");
  return problems;
}

function sendProblems(trial: FaultTrial, isStopped: boolean): readonly string[] {
  const problems: string[] = [];
  const { sends } = trial;
  const stored = trial.copies();
  const unknown = new Map<unknown, Set<boolean>>();
  for (const [body, end] of sends) {
    if (end === "pending") continue;
    if (end === "done" && !stored.has(body)) problems.push(`${body} is not stored though its send was successful`);
    if (end === "done") continue;
    if (!isStopped && stored.has(body)) problems.push(`${body} is stored though its send failed`);
    unknown.set(end.error, (unknown.get(end.error) ?? new Set()).add(stored.has(body)));
  }
  if ([...unknown.values()].some(({ size }) => size > 1)) problems.push("half of what was sent is stored");
  return problems;
}

/** At this moment. */
function copyProblems(trial: FaultTrial): readonly string[] {
  return [...trial.copies()].flatMap(([body, places]) => {
    if (places.length > 1) return [`${body} lives in ${places.join(" and ")}`];
    return places.length === 0 && !trial.consumed.includes(body) ? [`${body} is lost`] : [];
  });
}

/** What should have been tried again by now, without anybody else's commit. */
function overdueProblems(trial: FaultTrial): readonly string[] {
  const due = trial.driver.database.prepare("SELECT count(*) FROM mq_due WHERE due_at <= ?").pluck();
  const problems = due.get(trial.clock.now()) === 0 ? [] : ["what is due was not moved"];
  for (const [body, places] of trial.copies()) {
    if (places.length > 0 && trial.consumed.includes(body))
      problems.push(`the acknowledgement of ${body} is not stored`);
  }
  return problems;
}

function stopProblems(trial: FaultTrial, failed: FailedCall): readonly string[] {
  const end = trial.sends.get("next");
  const error = typeof end === "object" ? end.error : undefined;
  const says = isMqError(error, "ERR_MQ_SERVICE_NOT_AVAILABLE") && causesOf(error).includes(failed.error);
  return says ? [] : [`the next send does not say why the store stopped but ${describe(error ?? end)}`];
}

function endProblems(what: string, end: CallEnd | undefined): readonly string[] {
  return end === "done" ? [] : [`${what} ended with ${describe(typeof end === "object" ? end.error : end)}`];
}

function isOver(trial: FaultTrial, { dead = [] }: Operation): boolean {
  if (trial.starts.length === 0) return true;
  return [...trial.copies()].every(([body, places]) => places.join() === (dead.includes(body) ? "dead" : ""));
}

function outcomeProblems(trial: FaultTrial, operation: Operation, isStopped: boolean): readonly string[] {
  const { database } = trial.driver;
  const problems = isOver(trial, operation) ? [] : [`not over: ${JSON.stringify([...trial.copies()])}`];
  const topics = database.prepare("SELECT topic FROM mq_queue WHERE topic NOT IN (SELECT topic FROM mq_topic)").pluck();
  problems.push(...topics.all().map((topic) => `${topic} has messages and does not exist`));
  if (new Set(trial.stored).size < trial.stored.length) problems.push(`told twice: ${trial.stored.join(", ")}`);
  if (trial.starts.length === 0) return problems;
  problems.push(...endProblems("the last start", trial.starts.at(-1)));
  const sentBack = database.prepare("SELECT count(*) FROM mq_sent_back").pluck().get();
  if (sentBack !== 0) problems.push("the offset has not passed what was sent back");
  for (const body of trial.copies().keys()) {
    const times = trial.consumed.filter((consumed) => consumed === body).length;
    const isDead = operation.dead?.includes(body) === true;
    if (isDead ? times > 0 : isStopped ? times < 1 : times !== 1) problems.push(`${body} was consumed ${times} times`);
  }
  return problems;
}

function causesOf(error: unknown): readonly unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [error];
}

function describe(error: unknown): string {
  return isMqError(error) ? `${error.code}: ${error.message}` : String(error);
}
