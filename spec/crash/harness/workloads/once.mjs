// Four processes that share two groups in which messages of one key are done once: one with effects in the store, one with handlers whose work nobody can undo.

import { company } from "./company.mjs";
import { checkHandled, HANDLERS, startHandling } from "./handling.mjs";
import { hanging } from "./hanging.mjs";
import { checkMade, isAcknowledgedWithEffect, isMade, MAKERS, readMade, setUpMade, startMaking } from "./making.mjs";
import { setUpTraffic, workOnTraffic } from "./traffic.mjs";

const GROUPS = [MAKERS, HANDLERS];

export const once = {
  ...company,
  name: "once",
  isDoneOnce: true,
  groups: GROUPS,
  broadcasting: [],
  acknowledging: { group: MAKERS, isDone: isMade, isEarly: isAcknowledgedWithEffect },
  setUp: async (mq) => {
    await setUpTraffic(mq, GROUPS);
    await setUpMade(mq);
  },
  work: (context) =>
    workOnTraffic(context, [
      { group: MAKERS, start: startMaking },
      { group: HANDLERS, start: startHandling },
    ]),
  read: readMade,
  *check(end) {
    yield* checkMade(end);
    yield* checkHandled(end);
  },
};

/** The same with processes that go on when others have their queues, with messages in hand. */
export const onceHanging = {
  ...once,
  name: "once-hanging",
  isUsual: false,
  hangsMs: hanging.hangsMs,
  open: hanging.open,
};
