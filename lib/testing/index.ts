/** PocketMQ's tools for tests. */
export { checkHistory } from "./check-history/check-history.js";
export type { GoneClient, HistoryRules, StoredOffset } from "./check-history/history-rules.js";
export type { Faults } from "./faults.js";
export type { HistoryEvent, MessageState } from "./history.js";
export { type ExpectedMessage, matchers, type TestBrokerMatchers } from "./matchers.js";
export { openTestBroker } from "./open-test-broker.js";
export type { RealTimeout, TestBroker, TestBrokerOptions } from "./test-broker.js";
export { type VirtualClock, virtualClock } from "./virtual-clock.js";
export type { HistoryMatch } from "./wait-for.js";
