import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MessageView } from "../../lib/index.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const [GROUP, TOPIC, LEASE_MS] = ["billing", "orders", 10_000];

/** A broker on a connection of an application's, and what its consumer got; its first message stays in hand until it is told. */
interface Side {
  readonly test: TestBroker;
  readonly database: Database.Database;
  readonly received: string[];
}

let folder: TempFolder;
let sides: Side[] = [];

beforeEach(() => {
  folder = tempFolder();
});
afterEach(async () => {
  for (const { test, database } of sides.reverse()) {
    await test[Symbol.asyncDispose]();
    database.close();
  }
  sides = [];
  folder[Symbol.dispose]();
});

async function open(queues: number): Promise<Side> {
  const database = new Database(folder.file("app.db"), { timeout: 0 });
  database.pragma("journal_mode = WAL");
  const test = await openTestBroker({ database, seed: sides.length + 1, defaultQueueCount: queues });
  const side = { test, database, received: [] };
  sides.push(side);
  return side;
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const { test } of sides) await test.clock.advance(100);
    for (const { test } of sides) await test.clock.settle();
  }
}

async function consume(
  { test, received }: Side,
  instanceName: string,
  listener: (message: MessageView) => Promise<void> | undefined = () => undefined,
): Promise<void> {
  const starting = test.mq
    .pushConsumer({
      group: GROUP,
      instanceName,
      subscriptions: { [TOPIC]: "*" },
      consumeConcurrency: 1,
      listener: async (message) => {
        received.push(message.text());
        await listener(message);
      },
    })
    .start();
  await pass(500);
  await starting;
}

function held(): { readonly promise: Promise<void>; readonly release: () => void } {
  let release = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { promise, release: () => release() };
}

describe("a transaction of the owner's", () => {
  it("that is longer than the lease costs the queues: nothing more of them is delivered here", async () => {
    const [a, b] = [await open(1), await open(1)];
    await a.test.mq.admin.createTopic(TOPIC);
    const { promise, release } = held();
    await consume(a, "1", (message) => (message.text() === "0" ? promise : undefined));
    await consume(b, "2");
    const producer = b.test.mq.producer({ group: "shop" });
    const sends = ["0", "1", "2"].map((body) => producer.send({ topic: TOPIC, body }, { queue: 0 }));
    await pass(500);
    await Promise.all(sends);

    a.database.exec("BEGIN; SELECT count(*) FROM mq_topic");
    await pass(LEASE_MS + 2_000);
    release();
    await pass(1_000);
    const within = [...a.received];
    a.database.exec("COMMIT");
    await pass(1_000);

    expect([within, b.received]).toEqual([["0"], ["0", "1", "2"]]);
  });

  it("in which a listener ends hides no message that another process stored before", async () => {
    const [a, b] = [await open(2), await open(2)];
    await a.test.mq.admin.createTopic(TOPIC);
    const { promise, release } = held();
    await consume(a, "1", (message) => (message.text() === "0" ? promise : undefined));
    const producer = a.test.mq.producer({ group: "shop" });
    const sends = ["0", "1"].map((body) => producer.send({ topic: TOPIC, body }, { queue: 0 }));
    await pass(500);
    await Promise.all(sends);

    b.test.mq.producer({ group: "shop" }).sendSync({ topic: TOPIC, body: "theirs" }, { queue: 1 });
    void a.test.mq.admin.listTopics();
    a.database.exec("BEGIN; SELECT count(*) FROM mq_topic");
    await pass(6_000);
    release();
    await a.test.clock.settle();
    a.database.exec("ROLLBACK");
    await pass(1_000);

    expect(a.received.toSorted()).toEqual(["0", "1", "theirs"]);
  });
});
