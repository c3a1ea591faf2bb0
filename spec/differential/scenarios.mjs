// What is played on both sides, in this order; each scenario has topics and groups of its own.

import { frames } from "./scenarios/frames.mjs";
import { locks, members } from "./scenarios/members.mjs";
import { offsets, progress } from "./scenarios/progress.mjs";
import { largePulls, longPolls, pulls, subscribedPulls } from "./scenarios/pulls.mjs";
import { retries } from "./scenarios/retries.mjs";
import { batches, delays, sends } from "./scenarios/sends.mjs";
import { topics } from "./scenarios/topics.mjs";
import { checks, transactions } from "./scenarios/transactions.mjs";

export const SCENARIOS = [
  ...[topics, sends, batches, delays, pulls, subscribedPulls, largePulls, longPolls, offsets, progress],
  ...[members, locks, retries, transactions, checks, frames],
];
