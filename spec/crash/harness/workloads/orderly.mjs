// Four processes that share one group, which consumes in order; some of them hang for longer than their lease and go on.

import { company } from "./company.mjs";
import { hanging } from "./hanging.mjs";
import { checkTraffic, setUpTraffic, workOnTraffic } from "./traffic.mjs";

const GROUPS = ["in-order"];

export const orderly = {
  ...company,
  name: "orderly",
  groups: GROUPS,
  broadcasting: [],
  isOrderly: true,
  setUp: (mq) => setUpTraffic(mq, GROUPS),
  work: (context) => workOnTraffic(context, [{ group: GROUPS[0], orderly: true }]),
  check: checkTraffic,
};

export const orderlyHanging = {
  ...orderly,
  name: "orderly-hanging",
  hangsMs: hanging.hangsMs,
  open: hanging.open,
};
