// Sends from the main thread and two worker threads, each with a broker of its own on the file, and tells what is stored.

import { once } from "node:events";
import { writeSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { openBroker } from "../../../dist/esm/index.js";

const COUNT = 300;
const path = isMainThread ? process.argv[2] : workerData.path;
const name = isMainThread ? "main" : workerData.name;

const ends = isMainThread
  ? ["one", "two"].map((worker) =>
      once(new Worker(new URL(import.meta.url), { workerData: { path, name: worker } }), "exit"),
    )
  : [];
const mq = await openBroker({ path, synchronous: "normal" });
const producer = mq.producer({ group: "threads" });
for (let number = 0; number < COUNT; number += 1) {
  await producer.send({ topic: "orders", body: `${name} ${number}` }, { queue: 0 });
}
if (isMainThread) {
  await Promise.all(ends);
  const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
  const bodies = (await mq.admin.browse(queue, 0, 1_024)).map((message) => message.text());
  const { problems } = await mq.admin.checkStore();
  writeSync(1, `stored ${JSON.stringify({ bodies, problems })}\n`);
}
await mq.close();
