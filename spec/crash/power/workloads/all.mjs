import { attachedDelete, attachedPersist, attachedTruncate, attachedWal } from "./attached.mjs";
import { checkpoints } from "./checkpoints.mjs";
import { consuming } from "./consuming.mjs";
import { newStore } from "./new-store.mjs";
import { once } from "./once.mjs";
import { receiving } from "./receiving.mjs";
import { sends } from "./sends.mjs";
import { transactions } from "./transactions.mjs";

/**
 * A workload has:
 *
 * - `name`
 * - `levels`: the values of `synchronous` with which it runs, each with the rules by which it is judged
 * - `open(place)`: opens the store, for the workload and for the harness after a power cut; resolves with `mq` and with `close`
 * - `run(run)`: the work, with what `WorkloadRun` offers
 * - `cutsOpening`: whether the power may fail before the first mark; the others leave the making of a store to new-store
 * - `lives`: how many processes do the work one after the other, each on what the one before it left; 1 unless said otherwise
 * - `rows(database)`: the keys of the rows of its own that are there
 */
export const WORKLOADS = [
  newStore,
  sends,
  consuming,
  receiving,
  transactions,
  once,
  checkpoints,
  attachedWal,
  attachedDelete,
  attachedTruncate,
  attachedPersist,
];
