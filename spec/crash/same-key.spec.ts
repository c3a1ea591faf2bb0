import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { type ChildScript, startChild } from "../support/child-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

const QUEUES = { readQueueNums: 2, writeQueueNums: 2 };
const RETRY_MS = 20;

/** Two members of a group, each with one of two queues, and in each queue a message with the same key. @returns them, whoever is at work first. */
async function bringTogether(
  { mq }: TestBroker,
  path: string,
  kind: string,
): Promise<readonly [ChildScript, ChildScript]> {
  mq.database.exec("CREATE TABLE done (body TEXT)");
  await mq.admin.createTopic("orders", QUEUES);
  await mq.admin.createGroup("workers", { retryPolicy: { type: "customized", delaysMs: [RETRY_MS] } });
  const members = [startChild("same-key.mjs", path, kind), startChild("same-key.mjs", path, kind)] as const;
  await Promise.all(members.map((member) => hasOneQueue(member)));
  const producer = mq.producer({ group: "shop" });
  for (const queue of [0, 1]) producer.sendSync({ topic: "orders", body: `in-${queue}` }, { queue });
  const first = await Promise.race(members.map((member) => member.tells("doing").then(() => member)));
  return first === members[0] ? members : [members[1], members[0]];
}

async function hasOneQueue(member: ChildScript): Promise<void> {
  for (let count = 1; (await member.tells("assigned", count)) !== "1"; ) count += 1;
}

describe("two processes that have the same key in hand", () => {
  it("exactlyOnce: the second waits for the transaction of the first, and acknowledges without an effect", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using test = await openTestBroker<Database.Database>({ path, clock: new VirtualClock(Date.now()) });
    const [first, second] = await bringTogether(test, path, "exactlyOnce");

    const body = await second.tells("got");
    const before = second.told("returned");
    for (const member of [first, second]) member.say("go");
    await Promise.all([first.tells("returned"), second.tells("returned")]);

    expect([before, second.told("doing"), second.told("returned")]).toEqual([[], [], [`${body} success`]]);
    expect(test.mq.database.prepare("SELECT body FROM done").pluck().all()).toEqual(first.told("doing"));
    expect((await test.mq.admin.consumeStats("workers")).lag).toBe(0);
  });

  it("idempotent: the message of the second is retried until the handler of the first has ended, and then acknowledged", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using test = await openTestBroker<Database.Database>({ path, clock: new VirtualClock(Date.now()) });
    const [first, second] = await bringTogether(test, path, "idempotent");

    const refused = await Promise.race([second.tells("returned"), second.tells("doing")]);
    expect(refused).toMatch(/^in-\d retry$/);
    first.say("go");
    const [done] = first.told("doing");
    await first.tells("returned");
    const members = [first, second];
    const ends = Promise.race(members.map((member) => endOf(member, refused.split(" ")[0] as string)));

    expect(first.told("returned")[0]).toBe(`${done} success`);
    expect(await ends).toBeUndefined();
    expect(members.flatMap((member) => member.told("doing"))).toEqual([done]);
  });
});

/** Resolves when a member has acknowledged the message. */
async function endOf(member: ChildScript, body: string): Promise<void> {
  for (let count = 1; (await member.tells("returned", count)) !== `${body} success`; ) count += 1;
}
