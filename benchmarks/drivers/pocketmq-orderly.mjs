/** PocketMQ with an orderly listener, which checks that the messages of each group come in their order. */
import { openBroker } from "../../dist/esm/index.js";
import { GroupsInOrder } from "./deliveries.mjs";
import { PocketMq } from "./pocketmq.mjs";

export { storedProgress } from "./pocketmq.mjs";

export async function open(path, synchronous) {
  return new OrderlyPocketMq(await openBroker({ path, synchronous }));
}

class OrderlyPocketMq extends PocketMq {
  async drain(count) {
    const deliveries = new GroupsInOrder(count);
    const consumer = this.consumer({
      orderly: true,
      listener: async (message) => deliveries.see(message.messageGroup, message.text()),
    });
    await consumer.start();
    await deliveries.all;
    await consumer.close();
    deliveries.verify();
  }
}
