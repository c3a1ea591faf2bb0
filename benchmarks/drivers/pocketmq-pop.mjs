/** PocketMQ with a simple consumer: loops that each receive as much as one receive gives, and acknowledge each message. */
import Database from "better-sqlite3";
import { openBroker } from "../../dist/esm/index.js";
import { numberOf } from "./bodies.mjs";
import { EachOnce } from "./deliveries.mjs";
import { PocketMq, storedProgress as receivedIn } from "./pocketmq.mjs";

/** They share commits: a loop alone waits for two in as many messages as one receive gives. */
const LOOPS = 8;
const MAX_MESSAGES = 32;
const INVISIBLE_MS = 60_000;

export async function open(path, synchronous) {
  return new PopPocketMq(await openBroker({ path, synchronous }));
}

class PopPocketMq extends PocketMq {
  async drain(count) {
    const deliveries = new EachOnce(count);
    const consumer = this.simpleConsumer({ consumeFromWhere: "first-offset" });
    await consumer.start();
    let left = count;
    const loop = async () => {
      while (left > 0) {
        const messages = await consumer.receive({ maxMessages: MAX_MESSAGES, invisibleDurationMs: INVISIBLE_MS });
        left -= messages.length;
        await Promise.all(
          messages.map((message) => {
            deliveries.mustFail(numberOf(message.text()));
            return consumer.ack(message);
          }),
        );
      }
    };
    const loops = Array.from({ length: LOOPS }, loop);
    await deliveries.all;
    await consumer.close();
    await Promise.all(loops);
    deliveries.verify();
  }
}

/** How many messages of a closed store were received and acknowledged. */
export function storedProgress(path) {
  const database = new Database(path, { readonly: true });
  const inHand = database.prepare("SELECT count(*) FROM mq_pop").pluck().get();
  database.close();
  return receivedIn(path) - inHand;
}
