// Four processes on one store, each with a group of its own, and one instance of a broadcasting group in each.

import { checkTraffic, setUpTraffic, TOPIC, workOnTraffic } from "./traffic.mjs";

const PROCESSES = 4;
const GROUPS = Array.from({ length: PROCESSES }, (_, index) => `workers-${index}`);

export const company = {
  name: "company",
  processes: PROCESSES,
  isUsual: true,
  topic: TOPIC,
  groups: GROUPS,
  broadcasting: [{ group: "watchers", instances: GROUPS.map((_, index) => `node-${index}`) }],
  setUp: (mq) => setUpTraffic(mq, GROUPS),
  work: (context) =>
    workOnTraffic(context, [
      { group: GROUPS[context.index] },
      { group: "watchers", instanceName: `node-${context.index}` },
    ]),
  check: checkTraffic,
};
