import type { Command } from "./command.js";

/** Runs in which the library was wrong once, by the rule that it broke. */
export const EXAMPLES: readonly (readonly [rule: string, commands: readonly Command[]])[] = [
  [
    "a dead letter of a group that pops in order is told of with its last attempt",
    [
      { do: "join", process: 0, kind: "one-after-the-other", name: 0, settings: undefined },
      { do: "send", process: 0, to: 0, tag: "a", scripts: [[]], isBatch: false },
      { do: "pass", ms: 60 },
      receive(),
      { do: "pass", ms: 12_000 },
      receive(),
      { do: "pass", ms: 12_000 },
      receive(),
      { do: "pass", ms: 60 },
    ],
  ],
];

function receive(): Command {
  const options = { maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 };
  return { do: "act", kind: "one-after-the-other", member: 0, act: { what: "receive", options } };
}
