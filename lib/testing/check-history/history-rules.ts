import { booleanOption, describe, invalid, oneOf, refuseUnknownOptions } from "../../options.js";
import type { HistoryEvent } from "../history.js";

/** From this moment on a client has nothing in hand any more: its process ended, or its queues were taken from it. */
export interface GoneClient {
  readonly clientId: string;
  readonly at: number;
}

/** The progress of a group as it was stored at some moment. */
export interface StoredOffset {
  readonly group: string;
  /** Of a broadcasting instance. */
  readonly clientId?: string | undefined;
  readonly topic: string;
  readonly queueId: number;
  readonly nextOffset: number;
  readonly at: number;
}

/** What is expected of a history, beyond what holds for all. */
export interface HistoryRules {
  /** Topics whose message queues are consumed in order, one message at a time. @defaultValue none */
  readonly ordered?: readonly string[] | undefined;
  /** Whether a group may get again what it has consumed: at least once, or exactly once. @defaultValue "allowed" */
  readonly duplicates?: "allowed" | "forbidden" | undefined;
  /** Whether forbidden duplicates are excused where the client that consumed the message was gone after it had got it. @defaultValue false */
  readonly excuseGone?: boolean | undefined;
  /** Groups of which each client gets every message. @defaultValue none */
  readonly broadcasting?: readonly string[] | undefined;
  /**
   * Whether a message is meant for a group that takes part in its topic; `clientId` for broadcasting groups. Say no for what a filter passes over, and for
   * what was stored before the group began. @defaultValue always
   */
  readonly isFor?: ((message: HistoryEvent, group: string, clientId: string | undefined) => boolean) | undefined;
  /** Clients that died or lost their queues, in any order: what they had in hand goes to others rightly. @defaultValue none */
  readonly gone?: readonly GoneClient[] | undefined;
  /** Stored progress: all that lies below it must have been acknowledged by then. @defaultValue none */
  readonly offsets?: readonly StoredOffset[] | undefined;
  /** How long after its `dueAt` a message may be delivered first. @defaultValue for ever */
  readonly lateAfterMs?: number | undefined;
}

export interface ResolvedHistoryRules {
  readonly ordered: ReadonlySet<string>;
  readonly areDuplicatesForbidden: boolean;
  readonly excuseGone: boolean;
  readonly broadcasting: ReadonlySet<string>;
  readonly isFor: NonNullable<HistoryRules["isFor"]>;
  readonly gone: readonly GoneClient[];
  readonly offsets: readonly StoredOffset[];
  readonly lateAfterMs: number;
}

const RULES: readonly (keyof HistoryRules)[] = [
  "ordered",
  "duplicates",
  "excuseGone",
  "broadcasting",
  "isFor",
  "gone",
  "offsets",
  "lateAfterMs",
];

export function resolveHistoryRules(rules: HistoryRules): ResolvedHistoryRules {
  refuseUnknownOptions("HistoryRules", rules, RULES);
  const { isFor = () => true, lateAfterMs = Number.POSITIVE_INFINITY } = rules;
  if (typeof isFor !== "function") throw invalid(`isFor must be a function, got ${describe(isFor)}`);
  if (typeof lateAfterMs !== "number" || !(lateAfterMs >= 0))
    throw invalid(`lateAfterMs must be a number of milliseconds, at least 0, got ${describe(lateAfterMs)}`);
  return {
    ordered: new Set(listOf("ordered", rules.ordered)),
    areDuplicatesForbidden: oneOf("duplicates", rules.duplicates, ["allowed", "forbidden"], "allowed") === "forbidden",
    excuseGone: booleanOption("excuseGone", rules.excuseGone, false),
    broadcasting: new Set(listOf("broadcasting", rules.broadcasting)),
    isFor,
    gone: listOf("gone", rules.gone),
    offsets: listOf("offsets", rules.offsets),
    lateAfterMs,
  };
}

/** A string is iterable too, and would be taken for its letters. */
function listOf<T>(name: string, list: readonly T[] | undefined): readonly T[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw invalid(`${name} must be an array, got ${describe(list)}`);
  return list as readonly T[];
}
