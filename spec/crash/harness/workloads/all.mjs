// The workloads of the crash harness.
//
// A workload is an object, and all that the harness knows of what is done:
//
// - `name`, and `processes`: how many work on the store at the same time.
// - `isUsual`: whether it runs where none is named; others take longer, or show what does not hold yet.
// - `hangsMs`: left out, or for how long some processes are stopped before they go on.
// - `topic`: where its messages are sent to.
// - `groups`: names of the clustering groups that consume it; `broadcasting`: [{ group, instances: [instanceName] }].
// - `isOrderly`: the messages of each queue are consumed in order, failures are counted in memory and not put off in the store.
// - `isPopping`: its consumers are simple ones. An offset passes a message that they receive; failures are counted, and put off, when its time is up.
// - `isDoneOnce`: messages of one key are done once. `acknowledging`: `{ group, isDone(end, delivery), isEarly(entry) }` of the one group whose messages are acknowledged before the listener
//   can tell so; `isDone`: whether a delivery of which a killed process told no more may have been acknowledged.
// - `isTransacting`: half messages are stored, checked and settled.
// - `open({ path, synchronous, logger })`: how its processes open the store; left out: with `openBroker`. `closed(mq)`: what is to be done
//   after the broker was closed, if anything.
// - `setUp(mq)`: prepares the store. Every process does so before it works: it may have been begun by one that was killed, or is being done by another.
// - `work({ mq, tell, index, life, isDraining, stop, chance })`: what process number `index` does, in its `life`-th life, until `stop` is aborted. When
//   `isDraining` it sends nothing. It tells what it does, each before the next step: `sending` and `sent`, `refused` or `undone`; `delivered` and `returned`;
//   and what the broker's events say (see traffic.mjs, which does all of this).
// - `read(mq)`: left out, or what `check` finds as `end.own`.
// - `check(end)`: yields what is wrong at the end, beyond what the harness looks for in every store; `end` is described in end-state.mjs.

import { alone } from "./alone.mjs";
import { attached } from "./attached.mjs";
import { company } from "./company.mjs";
import { hanging } from "./hanging.mjs";
import { hangingReaders } from "./hanging-readers.mjs";
import { once, onceHanging } from "./once.mjs";
import { orderly, orderlyHanging } from "./orderly.mjs";
import { popping, poppingInOrder } from "./popping.mjs";
import { reading } from "./reading.mjs";
import { sharedGroup } from "./shared-group.mjs";
import { transactions, transactionsCompany, transactionsHanging, transactionsRounds } from "./transactions.mjs";

export const WORKLOADS = [
  alone,
  company,
  attached,
  sharedGroup,
  hanging,
  orderly,
  orderlyHanging,
  reading,
  hangingReaders,
  transactions,
  transactionsCompany,
  transactionsHanging,
  once,
  onceHanging,
  transactionsRounds,
  popping,
  poppingInOrder,
];

export function findWorkload(name) {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined)
    throw new Error(`no workload is called ${name}: ${WORKLOADS.map((each) => each.name).join(", ")}`);
  return found;
}
