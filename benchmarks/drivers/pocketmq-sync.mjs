/** PocketMQ's `sendSync`: like plainjob's `add` it is stored when it returns, and nothing else runs meanwhile. */
import { open as openPocketMq } from "./pocketmq.mjs";

export { storedBodies } from "./pocketmq.mjs";

export async function open(path, synchronous) {
  const store = await openPocketMq(path, synchronous);
  return {
    bodies: store.bodies,
    single: (count, onSent) => store.singleSync(count, onSent),
    close: () => store.close(),
  };
}
