import { describe, expect, it } from "vitest";
import type { Broker, PullConsumer } from "../../lib/index.js";
import { checkHistory, type GoneClient, type HistoryEvent } from "../../lib/testing/index.js";
import { seededChance } from "../../lib/time/chance.js";
import { listen, namesOf } from "../broker/event-log.js";
import type { VirtualClock } from "../support/virtual-clock.js";
import { drain, GROUP, numbered, openReading, pollNow, queueOf, TOPIC } from "./readers.js";

describe("the events of a pull consumer", () => {
  it("tell of each message when it is handed out, and when the consumer comes back for more", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b", "c");
    const consumer = await reading.reader();
    const heard = listen(reading.mq, "message:delivered", "message:consumed");

    await pollNow(consumer, { maxMessages: 2 });
    const first = heard.length;
    await reading.clock.advance(300);
    await pollNow(consumer, { maxMessages: 2 });

    expect(first).toBe(2);
    expect(namesOf(heard)).toEqual([
      ...["message:delivered", "message:delivered"],
      ...["message:consumed", "message:consumed", "message:delivered"],
    ]);
    const { clientId } = consumer;
    expect(heard[0]?.[1]).toMatchObject({ topic: TOPIC, group: GROUP, clientId, deliveryAttempt: 1 });
    expect(heard[2]?.[1]).toMatchObject({ topic: TOPIC, group: GROUP, costMs: 300 });
  });

  it.each<[string, (consumer: PullConsumer) => Promise<unknown>, number]>([
    ["a commit", (consumer) => consumer.commit(), 3],
    ["a commit of part of it", (consumer) => consumer.commit(new Map([[queueOf(0), 2]])), 2],
    ["closing, with auto commit", (consumer) => consumer.close(), 3],
  ])("tell what is consumed with %s too, and not again", async (_what, act, count) => {
    await using reading = await openReading();
    await reading.send(0, "a", "b", "c");
    const consumer = await reading.reader();
    const heard = listen(reading.mq, "message:consumed");
    await pollNow(consumer);

    await act(consumer);
    await reading.clock.settle();
    const then = heard.length;
    await consumer.poll({ timeoutMs: 0 }).catch(() => undefined);
    await reading.clock.settle();

    expect([then, heard.length]).toEqual([count, 3]);
  });

  it("tell nothing of what was in hand when a consumer closes that commits by hand", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader({ autoCommit: false });
    const heard = listen(reading.mq, "message:consumed");
    await pollNow(consumer);

    await consumer.close();

    expect(heard).toEqual([]);
  });

  it("tell in a loop of one message before the next", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();
    const heard = listen(reading.mq, "message:delivered", "message:consumed");

    for await (const message of consumer) if (message.text() === "b") break;
    await reading.clock.settle();

    expect(namesOf(heard)).toEqual(["message:delivered", "message:consumed", "message:delivered"]);
  });

  it("tell of the shares of the group, not of queues that were assigned", async () => {
    await using reading = await openReading(2);
    const heard = listen(reading.mq, "group:rebalanced");

    const [assigned, sharing] = [await reading.reader({ subscriptions: {} }), await reading.reader()];
    assigned.assign([queueOf(0)]);
    await assigned.close();
    await sharing.close();
    await reading.clock.settle();

    expect(heard.map(([, event]) => (event as { readonly assignment: readonly unknown[] }).assignment.length)).toEqual([
      2, 0,
    ]);
  });
});

/** What the broker's events say, with the places that messages were stored at. */
function recordHistory(mq: Broker, clock: VirtualClock): HistoryEvent[] {
  const history: HistoryEvent[] = [];
  const places = new Map<string, Pick<HistoryEvent, "queueId" | "queueOffset">>();
  const holders = new Map<string, string>();
  const add = (state: HistoryEvent["state"], event: { readonly messageId: string; readonly topic: string }): void => {
    const place = places.get(event.messageId) ?? { queueId: 0, queueOffset: 0 };
    history.push({ at: clock.now(), state, tag: undefined, keys: [], ...place, ...event });
  };
  mq.on("message:stored", (event) => {
    places.set(event.messageId, { queueId: event.queueId, queueOffset: event.queueOffset });
    add("stored", event);
  });
  mq.on("message:delivered", (event) => {
    holders.set(event.messageId, event.clientId);
    add("delivered", event);
  });
  mq.on("message:consumed", ({ messageId, topic, group }) =>
    add("consumed", { messageId, topic, ...{ group, clientId: holders.get(messageId), deliveryAttempt: 1 } }),
  );
  return history;
}

describe("the history of what pull consumers are handed", () => {
  it.each([1, 2, 3, 4])("is sound while they join, leave, and commit, by chance (seed %i)", async (seed) => {
    await using reading = await openReading(4);
    const { mq, clock } = reading;
    const chance = seededChance(seed);
    const history = recordHistory(mq, clock);
    const gone: GoneClient[] = [];
    const members: PullConsumer[] = [];
    let sent = 0;
    const leave = async (): Promise<void> => {
      const [member] = members.splice(chance.nextInt(Math.max(1, members.length)), 1);
      if (member === undefined) return;
      await member.commit();
      gone.push({ clientId: member.clientId, at: clock.now() });
      await member.close();
    };
    const steps = [
      async () => {
        sent += 20;
        await reading.send(chance.nextInt(4), ...numbered(1 + chance.nextInt(20), sent));
      },
      async () => void (members.length < 5 && members.push(await reading.reader({ autoCommit: false }))),
      leave,
      ...Array.from({ length: 5 }, () => async () => {
        const member = members[chance.nextInt(Math.max(1, members.length))];
        if (member === undefined) return;
        await pollNow(member);
        await member.commit();
      }),
      async () => clock.advance(1_000),
    ];

    for (let step = 0; step < 120; step += 1) await steps[chance.nextInt(steps.length)]?.();
    while (members.length > 0) await leave();
    const last = await reading.reader();
    await drain(reading, last);
    await last.close();
    await clock.settle();

    expect(history.filter(({ state }) => state === "consumed").length).toBeGreaterThan(50);
    expect(checkHistory(history, { duplicates: "forbidden", gone })).toEqual([]);
  });
});
