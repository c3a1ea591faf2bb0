/** PocketMQ's tools for tests. */
export { checkHistory } from "./check-history.js";
export type { HistoryEvent, MessageState } from "./history.js";
export type { GoneClient, HistoryRules, StoredOffset } from "./history-rules.js";
