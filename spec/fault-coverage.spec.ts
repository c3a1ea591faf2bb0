import { describe, expect, it } from "vitest";
import type { HalfMessage, TransactionChecker } from "../lib/broker/broker-port.js";
import * as frontDoor from "../lib/index.js";
import { FaultTrial } from "./support/fault-trial.js";
import { WORKLOADS } from "./support/fault-workloads/all.js";

/** What is done without being asked for. */
const BACKGROUND_TASKS = [
  "batch listener",
  "beats",
  "being taken for gone",
  "broadcasting instances",
  "dead letters",
  "disk guard",
  "due scheduler",
  "expired keys",
  "group commit",
  "look for foreign commits",
  "making the file",
  "making the tables",
  "messages of the owner's transaction",
  "messages that are visible again",
  "migrations",
  "members and claims",
  "offsets after 50 ms",
  "orderly listener",
  "retention",
  "popping",
  "popping in order",
  "pull loop",
  "queue locks",
  "rebalance",
  "rebalance rounds",
  "sending back",
  "taking over",
  "transaction checks",
] as const;

const QUEUE: frontDoor.MessageQueue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
const HALF: HalfMessage = {
  ...{ halfOffset: 0, transactionId: "0", producerGroup: "shop", topic: "orders", queueId: 0, checks: 1 },
  ...{ checkAt: 0, waitMs: 0, bornTimestamp: 0, storedAt: 0, size: 0, record: Buffer.alloc(0) },
};
const nothing = (): void => undefined;
/** Checks are answered by what it is inside. */
function transactor(mq: frontDoor.Broker): frontDoor.TransactionProducer & TransactionChecker {
  const made: unknown = mq.transactionProducer({ group: "shop", checkLocalTransaction: () => "unknown" });
  return made as frontDoor.TransactionProducer & TransactionChecker;
}

/** Members of the public API that do not use the driver, and how to use them. */
const WITHOUT_STORE: Readonly<Record<string, (trial: FaultTrial) => unknown>> = {
  allocateAveragely: () => frontDoor.allocateAveragely("billing", "a", [QUEUE], ["a"]),
  allocateAveragelyByCircle: () => frontDoor.allocateAveragelyByCircle("billing", "a", [QUEUE], ["a"]),
  allocateByConfig: () => frontDoor.allocateByConfig([QUEUE])("billing", "a", [QUEUE], ["a"]),
  allocateByMachineRoom: () => frontDoor.allocateByMachineRoom(new Set(["r1"]))("billing", "a", [QUEUE], ["a"]),
  allocateConsistentHash: () => frontDoor.allocateConsistentHash()("billing", "a", [QUEUE], ["a"]),
  isMqError: () => frontDoor.isMqError(undefined),
  MqError: () => new frontDoor.MqError("ERR_MQ_CLOSED", "closed"),
  selectByHash: () => frontDoor.selectByHash("o-1001"),
  selectByRandom: () => frontDoor.selectByRandom,
  "Broker.admin": ({ mq }) => mq.admin,
  "Broker.database": ({ mq }) => mq.database,
  "Broker.off": ({ mq }) => mq.off("error", nothing),
  "Broker.on": ({ mq }) => mq.on("error", nothing),
  "Broker.once": ({ mq }) => mq.once("error", nothing),
  "Broker.producer": ({ mq }) => mq.producer({ group: "shop" }),
  "Broker.pushConsumer": ({ mq }) =>
    mq.pushConsumer({ group: "auditing", subscriptions: { orders: "*" }, listener: nothing }),
  "Broker.simpleConsumer": ({ mq }) => mq.simpleConsumer({ group: "auditing", subscriptions: { orders: "*" } }),
  "Broker.pullConsumer": ({ mq }) => mq.pullConsumer({ group: "auditing", subscriptions: { orders: "*" } }),
  "Producer.group": ({ producer }) => producer.group,
  "PullConsumer.assignment": ({ mq }) => mq.pullConsumer({ group: "auditing" }).assignment,
  "PullConsumer.clientId": ({ mq }) => mq.pullConsumer({ group: "auditing" }).clientId,
  "PullConsumer.pause": ({ mq }) => mq.pullConsumer({ group: "auditing" }).pause([QUEUE]),
  "PushConsumer.assignment": ({ consumer }) => consumer.assignment,
  "PushConsumer.clientId": ({ consumer }) => consumer.clientId,
  "PushConsumer.suspend": ({ consumer }) => consumer.suspend(),
  "Broker.transactionProducer": ({ mq }) => transactor(mq),
  "SimpleConsumer.clientId": ({ mq }) => mq.simpleConsumer({ group: "auditing" }).clientId,
  "TransactionProducer.check": ({ mq }) => transactor(mq).check(HALF),
  "TransactionProducer.group": ({ mq }) => transactor(mq).group,
  "TransactionProducer.producerGroup": ({ mq }) => transactor(mq).producerGroup,
  "TransactionProducer.room": ({ mq }) => transactor(mq).room,
};

async function openTrial(): Promise<FaultTrial & AsyncDisposable> {
  const trial = new FaultTrial({});
  await trial.open();
  trial.start();
  await trial.pass();
  const end = async (): Promise<void> => {
    await trial.close();
    trial.place[Symbol.dispose]();
  };
  return Object.assign(trial, { [Symbol.asyncDispose]: end });
}

/** Methods, accessors and fields. */
function membersOf(name: string, value: object): readonly string[] {
  const keys = new Set([...Reflect.ownKeys(value), ...Reflect.ownKeys(Object.getPrototypeOf(value))]);
  keys.delete("constructor");
  const symbols: readonly unknown[] = [Symbol.asyncDispose, Symbol.asyncIterator];
  const names = ["[Symbol.asyncDispose]", "[Symbol.asyncIterator]"];
  return [...keys].map((key) => `${name}.${names[symbols.indexOf(key)] ?? String(key)}`);
}

/** Of functions and of everything that can be had from a broker. */
function publicMembers(trial: FaultTrial): readonly string[] {
  const functions = Object.entries(frontDoor).filter(([, value]) => typeof value === "function");
  const members = functions.map(([name]) => name);
  members.push(...membersOf("Broker", trial.mq), ...membersOf("Admin", trial.mq.admin));
  // What `Broker.producer` makes is a `Producer`.
  const others: readonly unknown[] = [trial.mq, trial.mq.database];
  for (const [member, use] of Object.entries(WITHOUT_STORE)) {
    const [owner, method = ""] = member.split(".");
    const made = owner === "Broker" ? use(trial) : undefined;
    if (typeof made !== "object" || made === null || others.includes(made) || !("close" in made)) continue;
    members.push(...membersOf(`${method.charAt(0).toUpperCase()}${method.slice(1)}`, made));
  }
  return members;
}

describe("the operations that faults hit", () => {
  it("cover every member of the public API that uses the store, and every task of the broker", async () => {
    await using trial = await openTrial();
    const covered = new Set(Object.values(WORKLOADS).flatMap(({ covers }) => covers));

    const expected = publicMembers(trial).filter((member) => !(member in WITHOUT_STORE));

    expect([...covered].sort()).toEqual([...new Set([...expected, ...BACKGROUND_TASKS])].sort());
  });

  it.each(Object.entries(WITHOUT_STORE))("need not cover %s, which does not use it", async (_member, use) => {
    await using trial = await openTrial();

    trial.faults.failCall(0, "SQLITE_IOERR", "before");
    use(trial);
    await trial.clock.settle();

    expect(trial.faults.calls).toEqual([]);
  });
});
