import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startChild } from "../support/child-process.js";
import { type Engine, type Engines, GROUP, openEngines, queueIdsOf, TOPIC } from "./engines.js";

const LEASE_MS = 10_000;
const FOUR = { defaultQueueCount: 4 } as const;
/** SQLite refuses what is sent to the topic "bad". */
const REFUSE = `CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.mq_log
  WHEN NEW.queue_key = (SELECT queue_key FROM main.mq_queue WHERE topic = 'bad') BEGIN SELECT RAISE(ABORT, 'refused'); END`;

function query(engines: Engines, sql: string): readonly unknown[] {
  const database = new Database(engines.path, { readonly: true });
  try {
    return database.prepare(sql).pluck().all();
  } finally {
    database.close();
  }
}

function execute(engines: Engines, sql: string): void {
  const database = new Database(engines.path);
  database.exec(sql);
  database.close();
}

async function openTwo(engines: Engines): Promise<readonly [Engine, Engine]> {
  const pair = [await engines.open(FOUR), await engines.open(FOUR)] as const;
  await pair[0].test.mq.admin.createTopic(TOPIC);
  return pair;
}

/** Of the members in all engines, by their rows. */
function instancesIn(engines: Engines): readonly unknown[] {
  return query(engines, `SELECT substr(client_id, instr(client_id, '@') + 1) AS name FROM mq_member ORDER BY name`);
}

describe("every queue of a group has one owner", () => {
  it("after a process was killed, whatever another one starts before it has looked", async () => {
    await using engines = await openEngines();
    const a = await engines.open(FOUR);
    await a.test.mq.admin.createTopic(TOPIC);
    await using child = startChild("member.mjs", engines.path, GROUP, TOPIC);
    await child.tells("assigned");
    const isShared = new Promise<void>((resolve) => {
      a.test.mq.on("group:rebalanced", ({ assignment }) => {
        if (assignment.length === 2) resolve();
      });
    });
    const ofA = await a.consume();
    await isShared;

    await child.kill();
    await a.consume({ group: "another" });
    await engines.settle();

    expect(queueIdsOf(ofA)).toEqual([0, 1, 2, 3]);
  });

  it("when a consumer subscribes to something else while it starts", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "z" });
    const subscriptions = { [TOPIC]: "*" };
    const second = a.test.mq.pushConsumer({
      group: GROUP,
      instanceName: "a",
      subscriptions,
      listener: () => "success",
    });

    const starting = second.start();
    second.subscribe("refunds");
    await starting;
    const ofB = await b.consume({ instanceName: "y" });
    await engines.settle();

    expect(instancesIn(engines)).toEqual(["a", "y", "z"]);
    expect(queueIdsOf(ofB)).toHaveLength(1);
    expect(query(engines, `SELECT subscriptions LIKE '%refunds%' FROM mq_member WHERE client_id LIKE '%@a'`)).toEqual([
      1,
    ]);
  });

  it("when a successor takes the name of a member in the commit in which that one leaves", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "k" });
    const first = await a.consume({ instanceName: "x" });

    const closing = first.close();
    // As soon as the name is free.
    let successor: Awaited<ReturnType<Engine["consume"]>> | undefined;
    for (let attempt = 0; successor === undefined && attempt < 10_000; attempt += 1) {
      successor = await a.consume({ instanceName: "x" }).catch(() => undefined);
      if (attempt % 50 === 49) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await closing;
    await engines.settle();
    await b.consume({ instanceName: "z" });
    await engines.settle();

    expect(instancesIn(engines)).toEqual(["k", "x", "z"]);
  });

  it.each(["starts another consumer", "subscribes to another topic"])(
    "when a process that was taken for gone first of all %s",
    async (what) => {
      await using engines = await openEngines();
      const [a, b] = await openTwo(engines);
      await a.consume({ instanceName: "a1" });
      const second = await a.consume({ instanceName: "z2" });
      await b.consume({ instanceName: "b" });
      await engines.advance(1_000);
      a.clock.stall();
      await engines.advance(LEASE_MS + 500);

      const isStarting = what.startsWith("starts");
      const doing = isStarting ? a.consume({ instanceName: "z3" }) : Promise.resolve(second.subscribe("refunds"));
      a.clock.resume();
      await engines.settle();
      await doing;
      await engines.advance(1_000);

      expect(instancesIn(engines)).toEqual(isStarting ? ["a1", "b", "z2", "z3"] : ["a1", "b", "z2"]);
      expect(query(engines, `SELECT count(*) FROM mq_claim WHERE topic = '${TOPIC}'`)).toEqual([4]);
    },
  );

  it("when a sharing that fails is tried again while its consumer closes", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "z" });
    const failing = await a.consume({
      instanceName: "a",
      allocateMessageQueueStrategy: () => {
        throw new Error("on purpose");
      },
    });
    await engines.advance(900);
    const lock = new Database(engines.path);
    lock.exec("BEGIN IMMEDIATE");

    const closing = failing.close();
    for (let round = 0; round < 10; round += 1) await a.clock.settle();
    await a.clock.advance(300);
    lock.exec("ROLLBACK");
    lock.close();
    await engines.advance(200);
    await closing;
    const ofB = await b.consume({ instanceName: "b" });
    await engines.settle();

    expect(instancesIn(engines)).toEqual(["b", "z"]);
    expect(queueIdsOf(ofB)).toHaveLength(2);
  });

  it("when SQLite refuses a message in the commit that takes the queues, and progress is stored", async () => {
    await using engines = await openEngines();
    const a = await engines.open(FOUR);
    for (const topic of [TOPIC, "bad"]) await a.test.mq.admin.createTopic(topic);
    const consumer = await a.consume({ subscriptions: { refunds: "*" } });
    await engines.settle();
    a.test.mq.database.exec(REFUSE);

    consumer.subscribe(TOPIC);
    const refused = a.test.mq.producer({ group: "shop" }).send({ topic: "bad", body: "x" });
    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_STORE" });
    await engines.settle();
    const claims = query(engines, `SELECT queue_id FROM mq_claim WHERE topic = '${TOPIC}' ORDER BY queue_id`);
    for (let queue = 0; queue < 4; queue += 1) await a.send(`${queue}`, queue);
    await engines.advance(1_000);

    expect([queueIdsOf(consumer), claims]).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    expect(a.received.toSorted()).toEqual(["0", "1", "2", "3"]);
    expect(query(engines, `SELECT next_offset FROM mq_consume_offset WHERE topic = '${TOPIC}'`)).toEqual([1, 1, 1, 1]);
    expect(query(engines, `SELECT subscriptions LIKE '%${TOPIC}%' FROM mq_member`)).toEqual([1]);
  });

  it("when the clock of two processes was set back, and a third one joins", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "a" });
    await b.consume({ instanceName: "b" });
    await engines.advance(1_000);

    for (const { clock } of [a, b]) clock.setTime(clock.now() - 3_600_000);
    const c = await engines.open(FOUR);
    c.clock.setTime(a.clock.now());
    await c.consume({ instanceName: "c" });
    execute(engines, "UPDATE mq_engine SET process_space = 'elsewhere'");
    await engines.advance(3 * LEASE_MS);

    expect(query(engines, "SELECT engine_key FROM mq_engine")).toEqual([1, 2, 3]);
  });

  it("when one that waits for a process that hangs is busy for seconds again and again", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "a" });
    const ofB = await b.consume({ instanceName: "b" });
    await engines.advance(1_000);
    a.clock.stall();

    for (let round = 0; round < 10; round += 1) {
      b.clock.setTime(b.clock.now() + 2_100);
      await b.clock.advance(50);
    }

    expect(queueIdsOf(ofB)).toEqual([0, 1, 2, 3]);
  });
});

describe("what others write to the tables of members", () => {
  it("stops no group when it cannot be read, and checkStore tells of it", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    const errors: unknown[] = [];
    a.test.mq.on("error", (error) => void errors.push(error));
    await a.consume({ group: "auditing", instanceName: "a" });
    const ofA = await a.consume({ instanceName: "a" });
    execute(
      engines,
      `INSERT INTO mq_member (consumer_group, client_id, engine_key, registration, message_model, instance_name, subscriptions)
         SELECT 'auditing', 'x', engine_key, 1, 'clustering', NULL, '{"orders":"*"}' FROM mq_engine LIMIT 1;
       UPDATE mq_meta SET value = value + 1 WHERE name = 'member_changes'`,
    );

    const ofB = await b.consume({ instanceName: "b" });
    await engines.settle();
    const { problems } = await a.test.mq.admin.checkStore();
    execute(engines, "DELETE FROM mq_member WHERE client_id = 'x'");

    expect([queueIdsOf(ofA).length, queueIdsOf(ofB).length, errors]).toEqual([2, 2, []]);
    expect(problems.filter((problem) => problem.startsWith("mq_member"))).toEqual([
      "mq_member: illegal values: auditing x",
    ]);
  });
});

describe("a broker that closes while a consumer waits for a name", () => {
  it("leaves no row", async () => {
    await using engines = await openEngines();
    const [a, b] = await openTwo(engines);
    await a.consume({ instanceName: "x" });
    execute(engines, "UPDATE mq_engine SET process_space = 'elsewhere'");
    a.clock.stall();
    const starting = b.consume({ instanceName: "x" }).catch((error: unknown) => error);
    await engines.settle();

    await b.close();

    expect(await starting).toMatchObject({ code: "ERR_MQ_CLOSED" });
    expect(query(engines, "SELECT engine_key FROM mq_engine")).toEqual([1]);
  });
});
