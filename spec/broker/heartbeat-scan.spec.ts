import { describe, expect, it } from "vitest";
import type { GroupMember } from "../../lib/broker/broker-port.js";
import type { PushConsumer } from "../../lib/index.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const [TOPIC, GROUP] = ["orders", "billing"] as const;
/** RocketMQ's. */
const EXPIRES_AFTER_MS = 120_000;
const SCAN_MS = 10_000;
const QUEUE = { topic: TOPIC, brokerName: "broker-a", queueId: 0 };

interface Remote extends GroupMember {
  readonly subscriptions: Map<string, string>;
  /** What it was told. */
  readonly told: string[];
}

/** A member as a server has it for a client behind a connection. */
function remote(
  name: string,
  expired: () => void = () => undefined,
  expiresAfterMs: number = EXPIRES_AFTER_MS,
): Remote {
  const told: string[] = [];
  return {
    clientId: `10.0.0.1@${name}`,
    group: GROUP,
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map([[TOPIC, "*"]]),
    remote: {
      expiresAfterMs,
      expired: () => {
        told.push("expired");
        expired();
      },
    },
    wantedQueues: [],
    told,
    dropLostQueues: () => void told.push("drop"),
    takeNewQueues: () => void told.push("take"),
    brokerFailed: () => undefined,
  };
}

/** A consumer of this process, with all four queues of the topic as long as nobody else is there. */
async function startLocal({ mq }: TestPort): Promise<PushConsumer> {
  await mq.admin.createTopic(TOPIC);
  const consumer = mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener: () => "success" });
  await consumer.start();
  return consumer;
}

async function beat({ port, clock }: TestPort, member: GroupMember, forMs: number): Promise<void> {
  for (let left = forMs; left > 0; left -= 30_000) {
    port.heartbeat(member);
    await clock.advance(30_000);
  }
}

describe("a member behind a connection", () => {
  it("takes part for as long as it is heard of", async () => {
    await using broker = await openTestPort();
    const local = await startLocal(broker);
    const member = remote("r");
    await broker.port.registerConsumer(member);

    await beat(broker, member, 10 * EXPIRES_AFTER_MS);

    expect([local.assignment.length, broker.port.memberIds(GROUP).length]).toEqual([2, 2]);
    expect(member.told).not.toContain("expired");
  });

  it("that is silent for longer leaves with the next look: the others share at once, and it is told", async () => {
    await using broker = await openTestPort();
    const local = await startLocal(broker);
    const member = remote("r");
    await broker.port.registerConsumer(member);
    const shares = [local.assignment.length];

    await broker.clock.advance(EXPIRES_AFTER_MS + SCAN_MS - 1);
    shares.push(local.assignment.length);
    member.told.length = 0;
    await broker.clock.advance(1);
    shares.push(local.assignment.length);

    expect(shares).toEqual([2, 2, 4]);
    expect(member.told).toEqual(["expired"]);
    expect((await broker.mq.admin.getGroup(GROUP)).members).toBe(1);
  });

  it("that expired is heard of no more, until it registers again", async () => {
    await using broker = await openTestPort();
    const local = await startLocal(broker);
    const member = remote("r");
    await broker.port.registerConsumer(member);
    await broker.clock.advance(EXPIRES_AFTER_MS + SCAN_MS);

    broker.port.heartbeat(member);
    await broker.clock.advance(EXPIRES_AFTER_MS + SCAN_MS);
    const after = local.assignment.length;
    const told = member.told.filter((call) => call === "expired");
    await broker.port.registerConsumer(member);

    expect([after, local.assignment.length, told]).toEqual([4, 2, ["expired"]]);
  });

  it("keeps the queues that it has locked for as long as that lease runs", async () => {
    await using broker = await openTestPort();
    await startLocal(broker);
    const member = remote("r", undefined, 1_000);
    await broker.port.registerConsumer(member);
    broker.port.lockQueues(GROUP, member.clientId, [QUEUE]);

    await broker.clock.advance(SCAN_MS);
    const isExpired = member.told.includes("expired");
    const locked = [broker.port.lockQueues(GROUP, "another", [QUEUE])];
    await broker.clock.advance(50_001);
    locked.push(broker.port.lockQueues(GROUP, "another", [QUEUE]));

    expect([isExpired, locked]).toEqual([true, [[], [QUEUE]]]);
  });

  it("that unregisters is not told that it expired, and is looked for no more", async () => {
    await using broker = await openTestPort();
    const member = { ...remote("r"), messageModel: "broadcasting" as const };
    await broker.port.registerConsumer(member);
    const armed = broker.clock.pendingTimers;

    broker.port.unregisterConsumer(member);
    const left = broker.clock.pendingTimers;
    await broker.clock.advance(2 * EXPIRES_AFTER_MS);

    expect([armed, left]).toEqual([1, 0]);
    expect(member.told).not.toContain("expired");
  });

  it("changes nothing with a heartbeat that says nothing new, and shares at once with one that does", async () => {
    await using broker = await openTestPort();
    const local = await startLocal(broker);
    const member = remote("r");
    await broker.port.registerConsumer(member);
    local.subscribe("refunds");
    member.told.length = 0;

    broker.port.heartbeat(member);
    const unchanged = [[...member.told], (await broker.mq.admin.getGroup(GROUP)).subscriptions];
    member.subscriptions.set(TOPIC, "paid");
    broker.port.heartbeat(member);

    // What was subscribed to last counts, not who was heard of last.
    expect(unchanged).toEqual([[], { [TOPIC]: "*", refunds: "*" }]);
    expect(member.told).toEqual(["drop", "take"]);
    expect((await broker.mq.admin.getGroup(GROUP)).subscriptions).toEqual({ [TOPIC]: "paid" });
  });

  it("leaves before any other that expires with it is told, whatever that one throws", async () => {
    await using broker = await openTestPort();
    const seen: number[] = [];
    const note = (): void => {
      seen.push(broker.port.memberIds(GROUP).length);
      throw new Error("on purpose");
    };
    for (const name of ["a", "b", "c"]) await broker.port.registerConsumer(remote(name, note));

    await broker.clock.advance(EXPIRES_AFTER_MS + SCAN_MS);

    expect(seen).toEqual([0, 0, 0]);
  });

  it("leaves no row behind that members in other processes could see", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using broker = await openTestPort({}, { path });
    await using other = await openTestBroker({ path });
    const local = await startLocal({ ...broker, mq: other.mq });
    const member = remote("r");
    await broker.port.registerConsumer(member);
    await other.clock.advance(1_000);
    const before = local.assignment.length;

    await broker.clock.advance(EXPIRES_AFTER_MS + SCAN_MS);
    await other.clock.advance(1_000);

    expect([before, local.assignment.length]).toEqual([2, 4]);
  });
});

describe("a member in the process of its broker", () => {
  it("is there until it leaves, however long nothing happens", async () => {
    await using broker = await openTestPort();
    const local = await startLocal(broker);

    broker.clock.setTime(broker.clock.now() + 24 * 3_600_000);
    await broker.clock.advance(10 * EXPIRES_AFTER_MS);

    expect(local.assignment).toHaveLength(4);
  });
});

describe("a broker that was asleep", () => {
  async function openWithRemote(): Promise<TestPort & { readonly member: Remote; sleep(ms: number): Promise<void> }> {
    const broker = await openTestPort();
    const member = remote("r");
    await broker.port.registerConsumer(member);
    const sleep = async (ms: number): Promise<void> => {
      broker.clock.setTime(broker.clock.now() + ms);
      await broker.clock.advance(0);
    };
    return { ...broker, member, sleep };
  }

  it("gives those who could not be heard meanwhile the whole time again", async () => {
    await using broker = await openWithRemote();
    const { clock, member, sleep } = broker;

    await sleep(3_600_000);
    const awake = [...member.told];
    await clock.advance(EXPIRES_AFTER_MS);
    const later = [...member.told];
    await clock.advance(SCAN_MS);

    expect([awake, later].flat()).not.toContain("expired");
    expect(member.told).toContain("expired");
  });

  it("does so once for one who was busy for seconds again and again", async () => {
    await using broker = await openWithRemote();
    const { clock, member, sleep } = broker;
    const since = clock.now();

    while (!member.told.includes("expired") && clock.now() - since < 10 * EXPIRES_AFTER_MS)
      await sleep(SCAN_MS + 3_000);

    expect(clock.now() - since).toBeLessThan(EXPIRES_AFTER_MS + 4 * SCAN_MS);
  });

  it("does so again for one who was asleep for longer than a member may be silent", async () => {
    await using broker = await openWithRemote();
    const { clock, member, sleep } = broker;

    for (let night = 0; night < 3; night += 1) {
      await sleep(8 * 3_600_000);
      await clock.advance(EXPIRES_AFTER_MS - SCAN_MS);
    }

    expect(member.told).not.toContain("expired");
  });

  it("counts the silence of others from the moment when its clock was set back", async () => {
    await using broker = await openWithRemote();
    const { port, clock, member } = broker;
    const other = remote("other");

    clock.setTime(clock.now() - 3_600_000);
    await port.registerConsumer(other);
    await beat(broker, other, EXPIRES_AFTER_MS);
    const before = [...member.told];
    await beat(broker, other, 30_000);

    expect(before).not.toContain("expired");
    expect([member.told.includes("expired"), other.told.includes("expired")]).toEqual([true, false]);
  });
});
