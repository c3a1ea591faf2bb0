/** `node sender.mjs PATH SYNCHRONOUS COUNT PAUSE_MS`: sends one message after the other, and tells when each was resolved, in nanoseconds of the system's clock. */
import { setTimeout as sleep } from "node:timers/promises";
import { openBroker } from "../../../dist/esm/index.js";
import { bodyOf } from "../../drivers/bodies.mjs";
import { TOPIC } from "../../drivers/pocketmq.mjs";

const [path, synchronous, count, pauseMs] = process.argv.slice(2);
const broker = await openBroker({ path, synchronous });
const producer = broker.producer({ group: "bench-producer" });
const resolvedAt = [];
for (let number = 0; number < Number(count); number += 1) {
  // Uneven, so that nothing falls into step with a timer.
  await sleep(Number(pauseMs) * (0.5 + (number % 7) / 6));
  await producer.send({ topic: TOPIC, body: bodyOf(number) });
  resolvedAt.push(process.hrtime.bigint().toString());
}
await broker.close();
process.send(resolvedAt);
process.disconnect();
