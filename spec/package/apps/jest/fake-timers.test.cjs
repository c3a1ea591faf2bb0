const loadings = {
  "before the package is loaded": (fake) => {
    fake();
    return require("pocketmq");
  },
  "after the package is loaded": (fake) => {
    const loaded = require("pocketmq");
    fake();
    return loaded;
  },
};
const kinds = {
  modern: () => jest.useFakeTimers(),
  legacy: () => jest.useFakeTimers({ legacyFakeTimers: true }),
};

beforeEach(() => jest.resetModules());
afterEach(() => jest.useRealTimers());

for (const [when, load] of Object.entries(loadings)) {
  for (const [kind, fake] of Object.entries(kinds)) {
    test(`sends and consumes under ${kind} fake timers installed ${when}`, async () => {
      const { openBroker } = load(fake);
      const mq = await openBroker(":memory:");
      const bodies = [];
      let reached;
      const done = new Promise((resolve) => {
        reached = resolve;
      });
      const consumer = mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: async (message) => {
          bodies.push(message.text());
          if (bodies.length === 3) reached();
        },
      });
      await consumer.start();

      const producer = mq.producer({ group: "shop" });
      for (const body of ["a", "b", "c"]) await producer.send({ topic: "orders", body });
      await done;
      await mq.close();

      expect(bodies.sort()).toEqual(["a", "b", "c"]);
    });
  }
}
