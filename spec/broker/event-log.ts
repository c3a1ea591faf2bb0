import type { Broker, BrokerEvents } from "../../lib/index.js";

export type Heard = readonly [event: keyof BrokerEvents, value: object];

const EVENTS: readonly (keyof BrokerEvents)[] = [
  "message:stored",
  "message:delivered",
  "message:consumed",
  "message:retried",
  "message:deadLettered",
  "group:rebalanced",
  "group:conflict",
  "error",
];

/** Everything that a broker tells from now on, or of it the events that are named. */
export function listen(mq: Broker, ...names: readonly (keyof BrokerEvents)[]): readonly Heard[] {
  const heard: Heard[] = [];
  for (const name of names.length === 0 ? EVENTS : names)
    mq.on(name, (value: object) => void heard.push([name, value]));
  return heard;
}

export function namesOf(heard: readonly Heard[]): readonly string[] {
  return heard.map(([name]) => name);
}
