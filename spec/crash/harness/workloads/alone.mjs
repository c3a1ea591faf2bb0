// One process after the other on a store.

import { checkTraffic, setUpTraffic, TOPIC, workOnTraffic } from "./traffic.mjs";

export const alone = {
  name: "alone",
  processes: 1,
  isUsual: true,
  topic: TOPIC,
  groups: ["workers"],
  broadcasting: [{ group: "watchers", instances: ["node-0"] }],
  setUp: (mq) => setUpTraffic(mq, ["workers"]),
  work: (context) => workOnTraffic(context, [{ group: "workers" }, { group: "watchers", instanceName: "node-0" }]),
  check: checkTraffic,
};
