// What every app does with the package: produce, consume with two members of a group, restart twice, count.
// It waits for what happens and for nothing else, so it also runs where timers are fake.

const assert = require("node:assert/strict");

const total = 120;

module.exports = async function scenario(openBroker, path) {
  const seen = new Set();
  const takenBy = { first: 0, second: 0 };

  async function consumeUntil(mq, count) {
    let reached;
    const done = new Promise((resolve) => {
      reached = resolve;
    });
    const consumers = [];
    for (const member of ["first", "second"]) {
      const consumer = mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "created || paid" },
        listener: (message) => {
          seen.add(message.json().id);
          takenBy[member] += 1;
          if (seen.size >= count) reached();
        },
      });
      consumers.push(consumer);
    }
    // Together, so that neither has consumed everything before the other is there.
    await Promise.all(consumers.map((consumer) => consumer.start()));
    return done;
  }

  const producing = await openBroker(path);
  const producer = producing.producer({ group: "shop" });
  for (let id = 0; id < total; id += 1) {
    const tag = id % 2 === 0 ? "created" : "paid";
    const receipt = await producer.send({ topic: "orders", tag, keys: `order-${id}`, body: JSON.stringify({ id }) });
    assert.equal(receipt.status, "SEND_OK");
  }
  await producing.close();

  const interrupted = await openBroker(path);
  await consumeUntil(interrupted, total / 3);
  await interrupted.close();

  const resumed = await openBroker(path);
  if (seen.size < total) await consumeUntil(resumed, total);
  await resumed.close();

  const last = await openBroker(path);
  const { lag } = await last.admin.consumeStats("billing", "orders");
  await last.close();

  assert.equal(seen.size, total, "every message is consumed");
  assert.equal(lag, 0, "every offset is committed");
  assert.ok(takenBy.first > 0 && takenBy.second > 0, `both members take part, got ${JSON.stringify(takenBy)}`);
  return { consumed: seen.size, lag };
};
