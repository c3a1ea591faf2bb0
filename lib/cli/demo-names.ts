import type { LateRule } from "./late-rule.js";

/** What the demo makes in its store. */
export const FLIGHTS = "flights";
export const PRODUCER = "flight-feed";

/** Two members share every message. */
export const BOARD = { group: "departure-board", members: ["board-1", "board-2"] } as const;

/** One member takes the tags that were the most frequent. */
export const BUSIEST = { group: "busiest-airports", members: ["tower-1"], tags: 3 } as const;

/** Each instance gets every message: a broadcasting group. */
export const DISPLAYS = { group: "gate-displays", instances: ["display-a", "display-b"] } as const;

/** Fails on what is late: so many retries, each after the time of this delay level, then the dead-letter queue. */
export const LATE = { group: "late-flights", members: ["desk-1"], delayLevel: 1, maxReconsumeTimes: 2 } as const;

/** What is late unless somebody says otherwise: delays are minutes. */
export const LATE_RULE: LateRule = { field: "delay", over: 300 };

/** Has a message for each run that began and one for each that ended, so that a later look knows what was meant. */
export const RUNS = "demo-runs";
