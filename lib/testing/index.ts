/** PocketMQ's tools for tests. */
export { checkHistory } from "./check-history/check-history.js";
export type { GoneClient, HistoryRules, StoredOffset } from "./check-history/history-rules.js";
export type { HistoryEvent, MessageState } from "./history.js";
