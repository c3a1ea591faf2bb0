// As `company`, and all four processes share one more group.

import { company } from "./company.mjs";
import { setUpTraffic, workOnTraffic } from "./traffic.mjs";

const GROUPS = [...company.groups, "shared"];

export const sharedGroup = {
  ...company,
  name: "shared-group",
  groups: GROUPS,
  setUp: (mq) => setUpTraffic(mq, GROUPS),
  work: (context) =>
    workOnTraffic(context, [
      { group: "shared" },
      { group: company.groups[context.index] },
      { group: "watchers", instanceName: `node-${context.index}` },
    ]),
};
