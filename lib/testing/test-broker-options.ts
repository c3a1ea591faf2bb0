import {
  BROKER_OPTIONS,
  type BrokerOptions,
  type ResolvedBrokerOptions,
  resolveBrokerOptions,
} from "../broker-options.js";
import { invalid, oneOf, refuseUnknownOptions } from "../options.js";
import type { TestBrokerOptions } from "./test-broker.js";
import { DEFAULT_START, ManualClock, timeOption } from "./virtual-clock.js";

export interface ResolvedTestBrokerOptions {
  readonly broker: ResolvedBrokerOptions;
  readonly clock: ManualClock;
  readonly leaks: "warn" | "throw" | "ignore";
}

const OPTIONS: readonly string[] = [...BROKER_OPTIONS.filter((name) => name !== "clock"), "startAt", "leaks"];

export function resolveTestBrokerOptions(options: TestBrokerOptions = {}): ResolvedTestBrokerOptions {
  if (Object.keys(options ?? {}).includes("clock"))
    throw invalid('TestBrokerOptions has no option "clock": a test broker has a virtual clock of its own, see startAt');
  refuseUnknownOptions("TestBrokerOptions", options, OPTIONS);
  const { startAt = DEFAULT_START, leaks, ...settings } = options;
  const clock = new ManualClock(timeOption("startAt", startAt));
  const place = settings.path === undefined && settings.database === undefined ? { path: ":memory:" } : {};
  const { profile = "rocketmq", seed = 1 } = settings;
  const broker = resolveBrokerOptions({ ...settings, profile, seed, ...place, clock } as BrokerOptions);
  return { broker, clock, leaks: oneOf("leaks", leaks, ["warn", "throw", "ignore"], "warn") };
}
