/** PocketMQ with an effect for each message: one row, by a statement that is prepared once, which is stored with the message's key and its acknowledgement. */
import { exactlyOnce, openBroker } from "../../dist/esm/index.js";
import { numberOf, OnceEach } from "./bodies.mjs";
import { PocketMq } from "./pocketmq.mjs";

export { storedProgress } from "./pocketmq.mjs";

export async function open(path, synchronous) {
  const broker = await openBroker({ path, synchronous });
  broker.database.exec("CREATE TABLE IF NOT EXISTS effect (number INTEGER NOT NULL)");
  return new ExactlyOncePocketMq(broker);
}

class ExactlyOncePocketMq extends PocketMq {
  #broker;

  constructor(broker) {
    super(broker);
    this.#broker = broker;
  }

  /** Resolves when each row is there, once, and the group's progress is stored. */
  async drain(count) {
    const { database } = this.#broker;
    const insert = database.prepare("INSERT INTO effect VALUES (?)");
    const all = { resolve: undefined };
    const done = new Promise((resolve) => Object.assign(all, { resolve }));
    const seen = new OnceEach(count, all.resolve);
    const effect = (message) => {
      const number = numberOf(message.text());
      insert.run(number);
      seen.see(number);
    };
    const consumer = this.consumer({ listener: exactlyOnce(this.#broker, {}, effect) });
    await consumer.start();
    await done;
    await consumer.close();
    seen.verify();
    const rows = database.prepare("SELECT count(*), count(DISTINCT number) FROM effect").raw().get();
    if (rows.join() !== `${count},${count}`)
      throw new Error(`${rows[0]} effects, ${rows[1]} different ones, of ${count}`);
  }
}
