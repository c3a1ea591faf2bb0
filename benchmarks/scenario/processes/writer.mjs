/** `node writer.mjs PATH SYNCHRONOUS WIDTH SECONDS`: as many loops, each awaiting its own sends, for so long from the word on. */
import { once } from "node:events";
import { openBroker } from "../../../dist/esm/index.js";
import { BodyRing } from "../../drivers/bodies.mjs";
import { TOPIC } from "../../drivers/pocketmq.mjs";
import { Latencies } from "../../harness/measured.mjs";

const [path, synchronous, width, seconds] = process.argv.slice(2);
const broker = await openBroker({ path, synchronous });
const producer = broker.producer({ group: "bench-producer" });
const bodies = new BodyRing();
const latencies = new Latencies();
process.send("ready");
await once(process, "message");
const end = performance.now() + 1_000 * Number(seconds);
const loop = async () => {
  while (performance.now() < end) {
    const start = performance.now();
    await producer.send({ topic: TOPIC, body: bodies.next() });
    latencies.record(performance.now() - start);
  }
};
await Promise.all(Array.from({ length: Number(width) }, loop));
await broker.close();
process.send({
  sent: latencies.count,
  p50Ms: latencies.percentile(50),
  p99Ms: latencies.percentile(99),
  maxMs: latencies.max,
});
process.disconnect();
