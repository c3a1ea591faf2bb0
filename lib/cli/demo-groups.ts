import type { Broker } from "../index.js";
import type { Stopwatch } from "../time/stopwatch.js";
import { CountingGroup } from "./counting-group.js";
import { BOARD, BUSIEST, FLIGHTS } from "./demo-names.js";
import { DisplayGroup } from "./display-group.js";
import { LateGroup } from "./late-group.js";
import type { LateRule } from "./late-rule.js";
import type { DemoGroup } from "./quiet-groups.js";
import type { RowSet } from "./row-set.js";

export interface DemoGroupsOptions {
  /** Whose messages are counted. */
  readonly run: string;
  /** Of the group that takes a part; `undefined`: there is no such group. */
  readonly expression: string | undefined;
  readonly rule: LateRule;
  readonly lateRows: RowSet;
  readonly stopwatch: Stopwatch;
  readonly onDelivered: () => void;
}

/** Every group of the demo; none has begun. */
export interface DemoGroups {
  readonly counting: readonly CountingGroup[];
  readonly displays: DisplayGroup;
  readonly late: LateGroup;
  readonly all: readonly DemoGroup[];
}

export function makeGroups(mq: Broker, options: DemoGroupsOptions): DemoGroups {
  const { run, expression, rule, lateRows, stopwatch, onDelivered } = options;
  const common = { topic: FLIGHTS, run, stopwatch, onDelivered };
  const counting = [
    new CountingGroup(mq, { ...common, group: BOARD.group, memberNames: BOARD.members, expression: "*" }),
  ];
  if (expression !== undefined) {
    counting.push(new CountingGroup(mq, { ...common, group: BUSIEST.group, memberNames: BUSIEST.members, expression }));
  }
  const displays = new DisplayGroup(mq, { ...common, field: rule.field });
  const late = new LateGroup(mq, { ...common, rule, lateRows });
  return { counting, displays, late, all: [...counting, displays, late] };
}
