import type { Workload } from "../fault-operation.js";
import { ADMINISTERING } from "./administering.js";
import { BROADCASTING_GROUPS } from "./broadcasting.js";
import { CLOSING } from "./closing.js";
import { COMPANY } from "./company.js";
import { CONSUMING } from "./consuming.js";
import { CONSUMING_IN_ORDER } from "./consuming-in-order.js";
import { DEDUPING } from "./deduping.js";
import { EXPIRING } from "./expiring.js";
import { GUARDING } from "./guarding.js";
import { OPENING } from "./opening.js";
import { POLLING } from "./polling.js";
import { POPPING } from "./popping.js";
import { SENDING } from "./sending.js";
import { SHARING } from "./sharing.js";
import { STARTING } from "./starting.js";
import { SUBSCRIBING } from "./subscribing.js";
import { TRANSACTING } from "./transacting.js";

/** Whoever adds a member to the public API, or a task to the broker, adds an operation that covers it. */
export const WORKLOADS: Workload = {
  ...ADMINISTERING,
  ...BROADCASTING_GROUPS,
  ...CLOSING,
  ...COMPANY,
  ...CONSUMING,
  ...CONSUMING_IN_ORDER,
  ...DEDUPING,
  ...EXPIRING,
  ...GUARDING,
  ...OPENING,
  ...POLLING,
  ...POPPING,
  ...SENDING,
  ...SHARING,
  ...STARTING,
  ...SUBSCRIBING,
  ...TRANSACTING,
};
