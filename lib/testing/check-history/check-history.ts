import { describe, invalid } from "../../options.js";
import type { HistoryEvent } from "../history.js";
import { Departures } from "./departures.js";
import { doubleOwnedRule } from "./double-owned-rule.js";
import { duplicatedRule } from "./duplicated-rule.js";
import type { HistoryRule } from "./history-rule.js";
import { type HistoryRules, type ResolvedHistoryRules, resolveHistoryRules } from "./history-rules.js";
import { findLost } from "./lost-rule.js";
import { findPassed } from "./offsets-rule.js";
import { reorderedRule } from "./reordered-rule.js";
import { resurrectedRule } from "./resurrected-rule.js";
import { findEarly, lateRule } from "./timing-rules.js";
import { TrackedHistory } from "./tracked-history.js";

/**
 * Finds what went wrong with messages, by what happened to them: one text for each problem, which begins with its kind.
 *
 * - `lost`: a group that takes part in a topic had not consumed a message of it at the end, nor was it dead-lettered for this group, nor had it expired.
 * - `duplicated`, where the rules forbid it: delivered or consumed again after the group had consumed it.
 * - `reordered`, in the topics that the rules name: delivered before those of lower offsets in its queue were done.
 * - `early`: delivered before it was stored, committed or put off by the attempt before, or before its `dueAt`; `late`: too long after it.
 * - `resurrected`: delivered after it was dead-lettered, put off for a later attempt, rolled back or expired.
 * - `double-owned`: delivered to one member of a group while another one had it in hand.
 * - `passed`: the group's stored offset, which the rules may give, was beyond a message that was not acknowledged.
 *
 * A message is known by its id and its topic. The time taken grows with the length of the history: about a second for 500,000 events.
 *
 * @param history - in the order in which it happened; where two events have the same time, or time went back, their order counts.
 * @returns no text: the history is sound. In the order in which the problems happened, what is only seen at the end last.
 * @throws `MqError` `ERR_MQ_INVALID_ARGUMENT` for what is no history, and for rules that there are not.
 */
export function checkHistory(history: readonly HistoryEvent[], rules: HistoryRules = {}): readonly string[] {
  if (!Array.isArray(history)) throw invalid(`history must be an array, got ${describe(history)}`);
  const resolved = resolveHistoryRules(rules);
  const tracked = new TrackedHistory(resolved.broadcasting);
  const problems: string[] = [];
  const finders = rulesFor(resolved);
  for (const event of history) {
    const message = tracked.messageOf(event);
    const consumption = tracked.consumptionOf(event, message);
    for (const find of finders) {
      const problem = find(event, message, consumption);
      if (problem !== undefined) problems.push(problem);
    }
    message.enter(event, consumption);
  }
  for (const problem of findLost(tracked, resolved)) problems.push(problem);
  for (const problem of findPassed(tracked, resolved)) problems.push(problem);
  return problems;
}

function rulesFor(rules: ResolvedHistoryRules): readonly HistoryRule[] {
  const { ordered, areDuplicatesForbidden, excuseGone, gone, lateAfterMs } = rules;
  const departures = new Departures(gone);
  return [
    findEarly,
    ...(Number.isFinite(lateAfterMs) ? [lateRule(lateAfterMs)] : []),
    ...(areDuplicatesForbidden ? [duplicatedRule(excuseGone ? departures : new Departures([]))] : []),
    resurrectedRule(ordered),
    doubleOwnedRule(departures),
    ...(ordered.size > 0 ? [reorderedRule(ordered)] : []),
  ];
}
