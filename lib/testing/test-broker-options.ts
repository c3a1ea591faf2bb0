import { type BrokerOptions, type ResolvedBrokerOptions, resolveBrokerOptions } from "../broker-options.js";
import { invalid, kindOf, oneOf } from "../options.js";
import type { TestBrokerOptions } from "./test-broker.js";
import { DEFAULT_START, ManualClock, timeOption } from "./virtual-clock.js";

export interface ResolvedTestBrokerOptions {
  readonly broker: ResolvedBrokerOptions;
  readonly clock: ManualClock;
  readonly leaks: "warn" | "throw" | "ignore";
}

export function resolveTestBrokerOptions(options: TestBrokerOptions = {}): ResolvedTestBrokerOptions {
  if (typeof options !== "object" || options === null)
    throw invalid(`TestBrokerOptions must be an object, got ${kindOf(options)}`);
  if ("clock" in options)
    throw invalid('TestBrokerOptions has no option "clock": a test broker has a virtual clock of its own, see startAt');
  const { startAt = DEFAULT_START, leaks, ...settings } = options;
  const clock = new ManualClock(timeOption("startAt", startAt));
  const place = settings.path === undefined && settings.database === undefined ? { path: ":memory:" } : {};
  const { profile = "rocketmq", seed = 1 } = settings;
  const broker = resolveBrokerOptions({ ...settings, profile, seed, ...place, clock } as BrokerOptions);
  return { broker, clock, leaks: oneOf("leaks", leaks, ["warn", "throw", "ignore"], "warn") };
}
