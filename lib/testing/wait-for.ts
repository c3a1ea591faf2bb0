import { MqError } from "../errors.js";
import { describe, invalid, refuseUnknownOptions } from "../options.js";
import { systemClock } from "../time/clock.js";
import { holdProcess } from "../time/hold-process.js";
import { type HistoryEvent, MESSAGE_STATES, type MessageState } from "./history.js";
import type { MessageRecorder } from "./message-recorder.js";

/** What is waited for: all that is given must fit. */
export interface HistoryMatch {
  readonly state: MessageState;
  readonly topic?: string | undefined;
  readonly key?: string | undefined;
  readonly tag?: string | undefined;
  readonly messageId?: string | undefined;
  readonly group?: string | undefined;
}

/** So much of what did happen fits into an error. */
const MOST_LISTED = 20;

const NAMES = ["topic", "key", "tag", "messageId", "group"] as const;

export function checkMatch(match: HistoryMatch): void {
  refuseUnknownOptions("waitFor: match", match, ["state", ...NAMES]);
  if (!MESSAGE_STATES.includes(match.state))
    throw invalid(`waitFor: state must be one of ${MESSAGE_STATES.join(", ")}, got ${describe(match.state)}`);
  for (const name of NAMES) {
    const value: unknown = match[name];
    if (value !== undefined && typeof value !== "string")
      throw invalid(`waitFor: ${name} must be a string, got ${describe(value)}`);
  }
}

/**
 * Resolves with the first event that fits, which may have happened before.
 *
 * @param closed - is aborted when nothing happens any more.
 */
export function waitForEvent(
  recorder: MessageRecorder,
  match: HistoryMatch,
  timeoutMs: number,
  closed: AbortSignal,
): Promise<HistoryEvent> {
  const found = recorder.history.find((event) => fits(event, match));
  if (found !== undefined) return Promise.resolve(found);
  if (closed.aborted) return Promise.reject(closedError(recorder, match));
  const hold = holdProcess();
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stopListening();
      closed.removeEventListener("abort", onClosed);
      timer.cancel();
      hold.release();
    };
    const stopListening = recorder.listen((event) => {
      if (!fits(event, match)) return;
      end();
      resolve(event);
    });
    const onClosed = (): void => {
      end();
      reject(closedError(recorder, match));
    };
    closed.addEventListener("abort", onClosed, { once: true });
    const timer = systemClock.at(systemClock.now() + timeoutMs, () => {
      // To look at it may show that it has happened, and then this has no effect.
      const error = timeoutError(recorder, match, timeoutMs);
      end();
      reject(error);
    });
  });
}

function timeoutError({ history }: MessageRecorder, match: HistoryMatch, timeoutMs: number): MqError {
  const waited = `waited ${timeoutMs} ms of real time for ${describeMatch(match)}`;
  return new MqError("ERR_MQ_TIMEOUT", `${waited}; what did happen: ${describeHistory(history)}`);
}

function closedError({ history }: MessageRecorder, match: HistoryMatch): MqError {
  const waited = `the broker was closed, there is no more to wait for: ${describeMatch(match)}`;
  return new MqError("ERR_MQ_CLOSED", `${waited}; what did happen: ${describeHistory(history)}`);
}

function fits(event: HistoryEvent, { state, topic, key, tag, messageId, group }: HistoryMatch): boolean {
  return (
    event.state === state &&
    (topic === undefined || event.topic === topic) &&
    (key === undefined || event.keys.includes(key)) &&
    (tag === undefined || event.tag === tag) &&
    (messageId === undefined || event.messageId === messageId) &&
    (group === undefined || event.group === group)
  );
}

function describeMatch(match: HistoryMatch): string {
  const fields = Object.entries(match).filter(([, value]) => value !== undefined);
  return fields.map(([name, value]) => `${name} ${String(value)}`).join(", ");
}

/** The last lines of a history, one for each event. */
export function describeHistory(history: readonly HistoryEvent[]): string {
  if (history.length === 0) return "nothing";
  const lines = history.slice(-MOST_LISTED).map(describeEvent);
  const left = history.length - lines.length;
  return `\n${left > 0 ? `  … ${left} before\n` : ""}${lines.join("\n")}`;
}

function describeEvent({
  at,
  state,
  topic,
  tag,
  keys,
  messageId,
  group,
  clientId,
  deliveryAttempt,
}: HistoryEvent): string {
  const label = [topic, tag, ...keys].filter((text) => text !== undefined).join(" ");
  const by = group === undefined ? "" : ` group ${group}${clientId === undefined ? "" : ` (${clientId})`}`;
  const attempt = deliveryAttempt === undefined ? "" : ` attempt ${deliveryAttempt}`;
  return `  ${new Date(at).toISOString()} ${state} ${label} ${messageId}${by}${attempt}`;
}
