// Has a member of a group in a worker thread, ends the thread, and goes on.
// node ended-thread.mjs PATH GROUP TOPIC
// Tells: ended

import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openBroker } from "../../../dist/esm/index.js";
import { tell } from "./crash-point.mjs";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv.slice(2) });
  await once(worker, "message");
  await worker.terminate();
  tell("ended");
  setInterval(() => undefined, 1_000);
} else {
  const [path, group, topic] = workerData;
  const mq = await openBroker({ path, synchronous: "normal" });
  const consumer = mq.pushConsumer({ group, subscriptions: { [topic]: "*" }, listener: () => undefined });
  await consumer.start();
  parentPort.postMessage(consumer.assignment.length);
}
