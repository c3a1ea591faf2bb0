import type { HalfHead, HalfMessage } from "../store/half-table.js";
import type { Store } from "../store/store.js";
import type { DueRows, PutOffRows } from "./due-rows.js";
import type { TransactionCheckers } from "./transaction-checkers.js";

export interface TransactionSettings {
  /** How long after a half message was sent its producers are asked for the first time. */
  readonly timeoutMs: number;
  /** From one check to the next. */
  readonly checkIntervalMs: number;
  /** After so many checks without an answer it is given up. */
  readonly checkMax: number;
}

/** What one transaction did with half messages whose time had come. */
export interface MovedHalves {
  /** Producers are to be asked what became of them. */
  readonly counted: readonly HalfMessage[];
  readonly givenUp: readonly HalfMessage[];
}

export interface CheckScheduleParts {
  readonly store: Store;
  readonly checkers: TransactionCheckers;
  readonly settings: TransactionSettings;
  /** Inside a transaction: it was checked in vain. */
  readonly giveUp: (half: HalfMessage) => void;
}

/**
 * When producers are asked for which half messages. Each is counted and put off within a transaction, and asked for once that is committed: so of several processes the one asks that has
 * stored it, and the count survives whatever happens to it.
 */
export interface CheckSchedule extends DueRows, PutOffRows {
  /** Inside a transaction: a half message was stored. */
  added(half: HalfMessage): void;
  /** When its producers are to be asked next, or later. */
  nextCheckAt(half: HalfHead): number;
  /** The transaction was committed: of which producers are to be asked now. */
  takeCounted(): readonly HalfMessage[];
  /** What is stored may be another than what is known. */
  drop(): void;
}
