import { describe, expect, it } from "vitest";
import { EventHub } from "../../lib/broker/broker-events.js";
import type { GroupMember, MessageModel } from "../../lib/broker/broker-port.js";
import { GroupMembers, type KnownMember } from "../../lib/broker/group-members.js";
import { MqError } from "../../lib/errors.js";
import type { MessageQueue } from "../../lib/index.js";
import { thrown } from "../support/thrown.js";

interface Setup {
  readonly members: GroupMembers;
  readonly calls: string[];
  /** What was said that groups want. */
  readonly wants: (readonly [group: string, queues: readonly MessageQueue[]])[];
  readonly warnings: (object | undefined)[];
  readonly conflicts: object[];
  readonly make: (clientId: string, subscriptions?: Readonly<Record<string, string>>, group?: string) => GroupMember;
}

/** Members that note what they are told, by client id. */
function setup(whenReadable = (run: () => void): void => run()): Setup {
  const [calls, warnings, conflicts]: [string[], (object | undefined)[], object[]] = [[], [], []];
  const wants: Setup["wants"] = [];
  const ignore = (): void => undefined;
  const logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (_text: string, data?: object) => void warnings.push(data),
  };
  const events = new EventHub(logger);
  events.on("group:conflict", (event) => void conflicts.push(event));
  const members = new GroupMembers({
    logger,
    events,
    whenReadable,
    lockedQueues: () => [],
    want: (group, queues) => void wants.push([group, queues]),
  });
  const make: Setup["make"] = (clientId, subscriptions = { orders: "*" }, group = "billing") => ({
    clientId,
    group,
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map(Object.entries(subscriptions)),
    wantedQueues: [{ topic: "orders", brokerName: "broker-a", queueId: clientId.length }],
    dropLostQueues: () => void calls.push(`${clientId} drops`),
    takeNewQueues: () => void calls.push(`${clientId} takes`),
    brokerFailed: ({ code }) => void calls.push(`${clientId} ${code}`),
  });
  return { members, calls, wants, warnings, conflicts, make };
}

/** As another broker's member is known. */
function asKnown({ clientId, messageModel, subscriptions }: GroupMember): KnownMember {
  return { clientId, messageModel, consumeType: "push", subscriptions, isStrict: false, registration: 1 };
}

describe("GroupMembers", () => {
  it("lists client ids sorted by their code units, whatever broker they are in, group by group", () => {
    const { members, make } = setup();

    for (const id of ["b", "é", "B", "a10"]) members.join(make(id));
    members.join(make("d", { orders: "*" }, "shipping"));
    members.setOthers("billing", [{ ...asKnown(make("a9")), registration: 9 }]);
    const ids = [members.ids("billing"), members.ids("shipping"), members.ids("unknown")];
    members.setOthers("billing", []);

    expect(ids).toEqual([["B", "a10", "a9", "b", "é"], ["d"], []]);
    expect(members.ids("billing")).toEqual(["B", "a10", "b", "é"]);
  });

  it("gives no share to a member that subscribes to nothing, and takes no notice of its subscriptions", () => {
    const { members, warnings, conflicts, make } = setup();

    members.join(make("a"));
    members.join(make("chooses", {}));
    members.join({ ...make("broadcasts", {}), messageModel: "broadcasting" });

    expect(members.ids("billing")).toEqual(["a"]);
    expect(members.subscriptionOf("billing", "orders")).toBe("*");
    expect(members.messageModelOf("billing")).toBe("clustering");
    expect([warnings, conflicts]).toEqual([[], []]);
  });

  it("tells every member when one comes that subscribes to nothing, and when that subscribes", () => {
    const { members, calls, make } = setup();
    const late = { ...make("b", {}) };
    members.join(make("a"));
    members.join(late);
    const before = members.ids("billing");
    calls.splice(0);

    Object.assign(late, { subscriptions: new Map([["orders", "*"]]) });
    members.changed(late);

    expect(calls).toEqual(["a drops", "b drops", "a takes", "b takes"]);
    expect([before, members.ids("billing")]).toEqual([["a"], ["a", "b"]]);
  });

  it("lets every member drop before any takes, on each join, change and leave, and does nothing for what changes nothing", () => {
    const { members, calls, make } = setup();
    const subscriptions = new Map([["orders", "*"]]);
    const [a, b] = [{ ...make("a"), subscriptions }, make("b")];
    const rounds: string[][] = [];

    for (const change of [
      () => members.join(a),
      () => members.join(b),
      () => members.changed(a),
      () => members.changed({ ...a, subscriptions: new Map() }),
      () => {
        subscriptions.set("refunds", "*");
        members.changed(a);
      },
      () => members.leave(a),
    ]) {
      change();
      rounds.push(calls.splice(0));
    }

    const both = ["a drops", "b drops", "a takes", "b takes"];
    // The one that changed was registered last.
    const changed = ["b drops", "a drops", "b takes", "a takes"];
    expect(rounds).toEqual([["a drops", "a takes"], both, [], [], changed, ["b drops", "b takes"]]);
  });

  it("shares all groups anew when topics changed", () => {
    const { members, calls, make } = setup();
    members.join(make("a"));
    members.join(make("b", {}, "shipping"));
    calls.length = 0;

    members.rebalanceAll();

    expect(calls).toEqual(["a drops", "a takes", "b drops", "b takes"]);
  });

  it("shares as soon as routes can be read, among those who are members then", () => {
    const waiting: (() => void)[] = [];
    const { members, calls, make } = setup((run) => void waiting.push(run));
    const a = make("a");
    members.join(a);
    members.join(make("b"));
    members.leave(a);

    const before = [...calls];
    for (const run of waiting) run();

    expect(before).toEqual([]);
    expect(new Set(calls)).toEqual(new Set(["b drops", "b takes"]));
  });

  it("refuses a second member of the same client id, and keeps the first", () => {
    const { members, calls, make } = setup();
    members.join(make("a"));
    const twin = make("a", { payments: "*" });
    calls.length = 0;

    const error = thrown(() => members.join(twin));
    members.changed(twin);
    members.leave(twin);

    expect(error.code).toBe("ERR_MQ_ALREADY_CREATED");
    expect([members.ids("billing"), calls]).toEqual([["a"], []]);
    expect(members.subscriptionOf("billing", "orders")).toBe("*");
  });

  it("takes the subscriptions registered last for the group, of those members that are left", () => {
    const { members, make } = setup();
    const [first, last] = [make("a", { orders: "created", payments: "*" }), make("b", { orders: "paid" })];
    members.join(first);
    members.join(last);

    const together = members.subscriptionOf("billing", "orders");
    members.leave(last);
    const alone = ["orders", "payments"].map((topic) => members.subscriptionOf("billing", topic));
    members.join(last);
    members.leave(first);

    expect([together, alone]).toEqual(["paid", ["created", "*"]]);
    expect(members.subscriptionOf("billing", "orders")).toBe("paid");
    expect(thrown(() => members.subscriptionOf("billing", "payments"))).toMatchObject({
      code: "ERR_MQ_SUBSCRIPTION",
      responseCode: 24,
    });
  });

  it("forgets the subscriptions with the last member", () => {
    const { members, make } = setup();
    const only = make("a");
    members.join(only);

    members.leave(only);

    expect(thrown(() => members.subscriptionOf("billing", "orders")).message).toBe(
      "consumer group billing has no members",
    );
  });

  it("warns when members differ, and only then", () => {
    const { members, warnings, make } = setup();
    const subscriptions = new Map([["orders", "a"]]);
    const changing: GroupMember = { ...make("a"), subscriptions };
    members.join(changing);
    subscriptions.set("orders", "b");
    members.changed(changing);
    members.join(make("b", { orders: "b" }));
    const before = [...warnings];

    members.join(make("c", { orders: "c" }));

    expect(before).toEqual([]);
    expect(warnings).toEqual([{ group: "billing", clientId: "c", topics: ["orders"] }]);
  });

  it("tells which topics members subscribe to differently, one by one and sorted, of all others together", async () => {
    const { members, conflicts, make } = setup();
    members.join(make("a", { orders: "*", invoices: "*" }));
    await Promise.resolve();
    const alone = [...conflicts];

    members.join(make("b", { orders: "paid", invoices: "*" }));
    members.join(make("c", { orders: "paid", refunds: "*" }));
    await Promise.resolve();

    expect(alone).toEqual([]);
    expect(conflicts).toEqual([
      { group: "billing", clientId: "b", topics: ["orders"] },
      { group: "billing", clientId: "c", topics: ["invoices", "orders", "refunds"] },
    ]);
  });

  it("takes subscriptions for the same that are for the same messages", async () => {
    const { members, conflicts, warnings, make } = setup();

    members.join(make("a", { orders: "created || paid", refunds: "*" }));
    members.join(make("b", { orders: "paid||created", refunds: " " }));
    await Promise.resolve();

    expect([conflicts, warnings]).toEqual([[], []]);
    expect(members.subscriptionOf("billing", "orders")).toBe("paid||created");
  });

  it("tells nothing of the group's retry topic, to which nobody subscribes by himself", async () => {
    const { members, conflicts, warnings, make } = setup();

    members.join(make("a", { orders: "*", "%RETRY%billing": "*" }));
    members.join(make("b", { orders: "*" }));
    await Promise.resolve();

    expect([conflicts, warnings]).toEqual([[], []]);
  });

  it("warns when members differ in their message model, and has that of the one registered last", () => {
    const { members, warnings, make } = setup();
    const [sharing, hearingAll] = [make("a"), { ...make("b"), messageModel: "broadcasting" as MessageModel }];
    members.join(sharing);
    members.join(hearingAll);

    const models = [members.messageModelOf("billing")];
    members.leave(hearingAll);
    models.push(members.messageModelOf("billing"));
    members.leave(sharing);
    models.push(members.messageModelOf("billing"));

    expect(models).toEqual(["broadcasting", "clustering", undefined]);
    expect(warnings).toEqual([{ group: "billing", clientId: "b", messageModel: "broadcasting" }]);
  });

  it("counts broadcasting members, and gives them no share of what the others have", () => {
    const { members, make } = setup();

    members.join(make("a"));
    members.join({ ...make("b"), messageModel: "broadcasting" });

    expect([members.ids("billing"), members.countOf("billing"), members.count]).toEqual([["a"], 2, 2]);
  });

  it("lets the retry topic of a group that has members be read, whatever the last one subscribes to", () => {
    const { members, make } = setup();
    const unknown = thrown(() => members.subscriptionOf("billing", "%RETRY%billing"));

    members.join(make("a"));

    expect(unknown.code).toBe("ERR_MQ_SUBSCRIPTION");
    expect(members.subscriptionOf("billing", "%RETRY%billing")).toBe("*");
    expect(thrown(() => members.subscriptionOf("billing", "%RETRY%shipping")).code).toBe("ERR_MQ_SUBSCRIPTION");
  });

  it("tells every member that the broker failed, also when they leave upon it", () => {
    const { members, calls, make } = setup();
    const leaving: GroupMember = { ...make("a"), brokerFailed: () => members.leave(leaving) };
    members.join(leaving);
    members.join(make("b"));
    members.join(make("c", {}, "shipping"));
    calls.length = 0;

    members.brokerFailed(new MqError("ERR_MQ_CLOSED", "gone"));

    expect(calls.filter((call) => call.endsWith("ERR_MQ_CLOSED"))).toEqual(["b ERR_MQ_CLOSED", "c ERR_MQ_CLOSED"]);
  });
});
