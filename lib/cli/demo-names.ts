/** What the demo makes in its store. */
export const FLIGHTS = "flights";
export const PRODUCER = "flight-feed";

/** Two members share every message. */
export const BOARD = { group: "departure-board", members: ["board-1", "board-2"] } as const;

/** One member takes the tags that were the most frequent. */
export const BUSIEST = { group: "busiest-airports", members: ["tower-1"], tags: 3 } as const;

/** Has a message for each run that began and one for each that ended, so that a later look knows what was meant. */
export const RUNS = "demo-runs";
