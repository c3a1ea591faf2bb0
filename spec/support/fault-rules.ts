import { isMqError } from "../../lib/index.js";
import { canFail, type FaultCode, isCommit, isTried, isUnknown, momentsOf, TRIES_ALL } from "./fault-codes.js";
import type { DriverCall } from "./fault-driver.js";
import type { Operation } from "./fault-operation.js";
import {
  callProblems,
  connectionProblems,
  copyProblems,
  describe,
  endProblems,
  errorsOf,
  type FaultOutcome,
  fileProblems,
  isOver,
  outcomeProblems,
  overdueProblems,
  reportProblems,
  sendProblems,
  stopProblems,
  type Undisturbed,
} from "./fault-problems.js";
import { FaultTrial, isDone } from "./fault-trial.js";
import { storeImage } from "./store-image.js";
import { findProblems } from "./test-broker.js";

/** As long as the first retry waits, and longer than anything else does. */
const ROUND_MS = 11_000;
const MAX_ROUNDS = 8;
/** What could not be stored or moved is tried again after a second. */
const SOON_MS = 2_000;
/** Longer than anybody waits for a lock, or a message that cannot be sent back for its next attempt. */
const OUTAGE_MS = 6_000;
/**
 * Of the driver. Looking for commits of others takes 80; reads and writes that wait for a lock take 2,700 each in their first second, as a guest asks with
 * four calls each 1.5 ms, and 250 in each later one. Without pause it would be 100,000.
 */
const MAX_CALLS_A_SECOND = 2_000;
/** Each of what fails: sharing each topic, looking, storing. */
const MAX_REPORTS_A_SECOND = 6;

/**
 * Fails each call of the driver that the operation makes ({@link isTried}), one in each trial, and lists what broke a rule:
 *
 * - A call of the user ends, and where it fails its message is not stored, unless the outcome is unknown. Its error and every `error` event have the code
 *   of the fault, and SQLite's error among their causes. A lock that is gone at once fails only what cannot wait. Nothing is thrown where nobody can catch
 *   it, and no fault but a lock goes unreported. A call that succeeds has the result that it has without a fault.
 * - At every moment a message has one live copy, or none once it was consumed.
 * - What could not be stored or moved is tried again by itself, and the next call works, also the one that failed. Only after a commit whose outcome is
 *   unknown it says that the store stopped; then nothing is tried again, and a new broker goes on.
 * - In the end every message is consumed, once unless the store stopped, or a dead letter; no event told of it twice, the offsets have passed all, and the
 *   store is sound.
 */
export async function tryFaults(make: () => Operation, code: FaultCode): Promise<readonly string[]> {
  const { calls, ...undisturbed } = await runUndisturbed(make());
  const problems = [...setupProblems(make(), calls, undisturbed)];
  const places = new Set<string>();
  let number = 0;
  for (const [index, call] of calls.entries()) {
    if (canFail(call, code)) number += 1;
    if (!isTried(call, code)) continue;
    // What is set around each statement is tried once for each kind of statement, and usually so is each statement between the same two.
    const around = `${calls[index - 1]?.source} ${call.method} ${call.source} ${calls[index + 1]?.source}`;
    if ((call.method === "pragma" || !TRIES_ALL) && places.has(around)) continue;
    places.add(around);
    for (const moment of momentsOf(call, code)) {
      const operation = make();
      const trial = await begin(operation);
      trial.faults.failCall(number, code, moment);
      await act(trial, operation);
      const found = await findTrialProblems(trial, operation, code, undisturbed);
      problems.push(...found.map((problem) => `call ${index + 1}, ${moment} ${nameOf(call)}: ${problem}`));
    }
  }
  return problems;
}

/**
 * The same where a call and all after it fail for six seconds, for each call of another kind. Meanwhile nobody asks the driver, or tells of failures,
 * without pause.
 */
export async function tryOutages(make: () => Operation, code: FaultCode): Promise<readonly string[]> {
  const { calls, ...undisturbed } = await runUndisturbed(make());
  const problems: string[] = [];
  const tried = new Set<string>();
  let number = 0;
  for (const [index, call] of calls.entries()) {
    if (!canFail(call, code)) continue;
    number += 1;
    if (tried.has(call.source) || !isTried(call, code)) continue;
    tried.add(call.source);
    const operation = make();
    const trial = await begin(operation);
    trial.faults.failFrom(number, code);
    await act(trial, operation);
    await trial.clock.advance(OUTAGE_MS);
    const found = [...paceProblems(trial), ...(await findTrialProblems(trial, operation, code, undisturbed))];
    problems.push(...found.map((problem) => `from call ${index + 1} on, ${nameOf(call)}: ${problem}`));
  }
  return problems;
}

function nameOf({ method, source }: DriverCall): string {
  return `${method} ${source.replace(/\s+/g, " ").slice(0, 60)}`;
}

function paceProblems({ faults, events, logged }: FaultTrial): readonly string[] {
  const [calls, reports] = [faults.calls.length, events.length + logged.length];
  return [
    ...(calls > (OUTAGE_MS / 1_000) * MAX_CALLS_A_SECOND ? [`the driver was called ${calls} times`] : []),
    ...(reports > (OUTAGE_MS / 1_000) * MAX_REPORTS_A_SECOND ? [`${reports} reports`] : []),
  ];
}

function setupProblems(
  { isReading = false, isWhole = false }: Operation,
  calls: readonly DriverCall[],
  { before, after }: Undisturbed,
): readonly string[] {
  const problems = calls.length === 0 ? ["the operation does not use the driver"] : [];
  if (calls.some(isCommit) === isReading) problems.push(`the operation commits ${isReading ? "something" : "nothing"}`);
  if (isWhole && (before === after) !== isReading)
    problems.push(`the operation changes ${isReading ? "something" : "nothing"}`);
  return problems;
}

async function runUndisturbed(operation: Operation): Promise<Undisturbed & { readonly calls: readonly DriverCall[] }> {
  const trial = await begin(operation);
  const before = imageOf(trial);
  trial.faults.failCall(0, "SQLITE_FULL", "before");
  await act(trial, operation);
  const calls = [...trial.faults.calls];
  trial.faults.heal();
  const after = imageOf(trial);
  const ends = new Map(trial.calls);
  if (trial.isOpen) await trial.close();
  trial.place[Symbol.dispose]();
  return { calls, ends, before, after };
}

async function begin(operation: Operation): Promise<FaultTrial> {
  const trial = new FaultTrial(operation);
  if (operation.isOpening !== true) await trial.open();
  await operation.prepare?.(trial);
  await trial.pass();
  return trial;
}

async function act(trial: FaultTrial, operation: Operation): Promise<void> {
  await operation.act(trial);
  await trial.pass();
}

function imageOf(trial: FaultTrial): string {
  return trial.hasDatabase ? storeImage(trial.database) : "";
}

/** What is wrong after the operation, and with all that follows; ends the trial. */
async function findTrialProblems(
  trial: FaultTrial,
  operation: Operation,
  code: FaultCode,
  undisturbed: Undisturbed,
): Promise<readonly string[]> {
  const failures = [...trial.faults.failures];
  trial.faults.heal();
  if (failures.length === 0) return ["the fault was not met"];
  const isCommitUnknown = failures.some((failed) => isUnknown(failed, code));
  const isStopped = await hasStopped(trial);
  // A guest that cannot set the busy time-out for its commit, or put it back, does not know either.
  const mayBeUnknown = failures.some(({ source }) => source.startsWith("PRAGMA busy_timeout"));
  const isToldUnknown = mayBeUnknown && errorsOf(trial).some((error) => isMqError(error, "ERR_MQ_OUTCOME_UNKNOWN"));
  const outcome: FaultOutcome = { code, failures, isUnknown: isCommitUnknown || isStopped || isToldUnknown };
  const problems = [
    ...(isCommitUnknown && !isStopped && trial.isOpen ? ["it goes on after a commit whose outcome is unknown"] : []),
    ...(isStopped && !isCommitUnknown && !mayBeUnknown ? ["the store stopped without a reason"] : []),
    ...reportProblems(trial, outcome, operation),
    ...callProblems(trial, outcome, undisturbed, operation),
    ...connectionProblems(trial),
    ...(operation.problems?.(trial) ?? []),
  ];
  const isClosed = !trial.isOpen;
  if (!isClosed) problems.push(...sendProblems(trial, outcome, operation), ...copyProblems(trial));
  else problems.push(...(await reopenProblems(trial)));
  if (!trial.isOpen) return problems;
  // Whoever reads commits when it comes back for more.
  if (operation.reader !== undefined) await trial.pass(SOON_MS);
  problems.push(...(await laterProblems(trial, isStopped, isClosed, outcome, operation)));
  if (trial.starts.length > 0 && (isStopped || !trial.hasConsumer || !isDone(trial.starts.at(-1)))) trial.start();
  await trial.pass();
  for (let round = 0; round < MAX_ROUNDS && !isOver(trial, operation); round += 1) await trial.pass(ROUND_MS);
  problems.push(...outcomeProblems(trial, outcome, operation), ...copyProblems(trial), ...findProblems(trial.database));
  problems.push(...fileProblems(trial), ...connectionProblems(trial));
  const failure = await trial.close();
  if (failure !== undefined) problems.push(`closing failed: ${describe(failure)}`);
  problems.push(...trial.clock.thrown.map((error) => `uncaught: ${describe(error)}`));
  trial.place[Symbol.dispose]();
  return problems;
}

async function hasStopped(trial: FaultTrial): Promise<boolean> {
  if (!trial.isOpen) return false;
  const asking: Promise<unknown> = trial.mq.admin.listGroups().catch((reason: unknown) => reason);
  // Whoever waits for a lock looks again within 32 ms.
  const [error] = await Promise.all([asking, trial.clock.advance(40)]);
  return isMqError(error, "ERR_MQ_SERVICE_NOT_AVAILABLE");
}

async function reopenProblems(trial: FaultTrial): Promise<readonly string[]> {
  try {
    await trial.open();
    return copyProblems(trial);
  } catch (error) {
    return [`opening again failed: ${describe(error)}`];
  }
}

/** What is tried again by itself, and the next calls. */
async function laterProblems(
  trial: FaultTrial,
  isStopped: boolean,
  isClosed: boolean,
  outcome: FaultOutcome,
  operation: Operation,
): Promise<readonly string[]> {
  const problems: string[] = [];
  await trial.pass(SOON_MS);
  if (!isStopped && !isClosed) problems.push(...overdueProblems(trial), ...(operation.overdue?.(trial) ?? []));
  const again = isStopped ? [] : trial.repeatCalls();
  trial.send("next", 1);
  await trial.pass(ROUND_MS);
  problems.push(...again.flatMap((name) => endProblems(`${name} again`, trial.calls.get(name))));
  if (!isStopped) return [...problems, ...endProblems("the next send", trial.sends.get("next"))];
  problems.push(...stopProblems(trial, outcome));
  const reports = trial.events.length + trial.logged.length;
  await trial.pass(ROUND_MS);
  if (trial.events.length + trial.logged.length > reports) problems.push("the stopped store is tried again and again");
  await trial.close();
  await trial.open();
  trial.repeatCalls();
  trial.send("after opening again");
  return problems;
}
