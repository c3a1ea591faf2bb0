// Four processes that pop one group.

import { company } from "./company.mjs";
import { startReceiving } from "./receiving.mjs";
import { checkTraffic, setUpTraffic, workOnTraffic } from "./traffic.mjs";

/** What a killed process had in hand counts as failed. */
const MAX_RETRIES = 16;

export const popping = {
  ...company,
  name: "popping",
  // What a process had in hand when it was killed comes again only after 10 s, where it could not make that shorter.
  isUsual: false,
  isPopping: true,
  groups: ["takers"],
  broadcasting: [],
  setUp: (mq) => setUpTraffic(mq, ["takers"], { retryMaxTimes: MAX_RETRIES }),
  work: (context) => workOnTraffic(context, [{ group: "takers", start: startReceiving }]),
  check: checkTraffic,
};

/** The same in order. */
export const poppingInOrder = {
  ...popping,
  name: "popping-in-order",
  isOrderly: true,
  groups: ["in-order"],
  setUp: (mq) => setUpTraffic(mq, ["in-order"], { retryMaxTimes: MAX_RETRIES, consumeMessageOrderly: true }),
  work: (context) => workOnTraffic(context, [{ group: "in-order", orderly: true, start: startReceiving }]),
};
