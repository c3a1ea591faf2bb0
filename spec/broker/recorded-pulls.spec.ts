import { describe, expect, it } from "vitest";
import type { PullResult } from "../../lib/broker/broker-port.js";
import { LocalBroker } from "../../lib/broker/local-broker.js";
import { prepareStore } from "../../lib/broker/prepare-store.js";
import { resolveBrokerOptions } from "../../lib/broker-options.js";
import { isMqError } from "../../lib/errors.js";
import { openOwned } from "../../lib/store/open-database.js";
import { loadFacts } from "../support/facts.js";
import { VirtualClock } from "../support/virtual-clock.js";

interface RecordedPull {
  readonly expr?: string;
  readonly offset: number;
  readonly maxNums?: number;
  readonly status?: string;
  readonly nextBeginOffset?: number;
  readonly minOffset?: number;
  readonly maxOffset?: number;
  readonly result?: {
    readonly status: string;
    readonly nextBeginOffset: number;
    readonly minOffset: number;
    readonly maxOffset: number;
    readonly found: number | null;
  };
}

const messages = loadFacts("messages");
const validation = loadFacts("validation");

/** A broker with the topic `MsgRaw` of one queue, in which a message with the tag TagA lies unless it is to be empty. */
async function openPort(expression: string, isEmpty = false): Promise<LocalBroker> {
  const { path, synchronous, settings } = resolveBrokerOptions({
    path: ":memory:",
    clock: new VirtualClock(),
    seed: 1,
  });
  const opened = await openOwned({ path: path as string, synchronous, busyTimeoutMs: 0 });
  prepareStore(opened, settings.clock.now());
  const port = new LocalBroker(opened, { ...settings, defaultQueueCount: 1 });
  const record = {
    tagsCode: 2_598_919,
    flag: 0,
    sysFlag: 0,
    bornTimestamp: 1,
    reconsumeTimes: 0,
    uniqueId: "",
    properties: "TAGS\u0001TagA\u0002",
    propertiesSize: 10,
    body: "hello",
    bodySize: 5,
    queueOffset: -1,
    commitLogOffset: -1,
  };
  port.appendSync({ topic: "MsgRaw", queueId: 0, messages: [record], bytes: 15, deadline: Number.MAX_SAFE_INTEGER });
  const topic = isEmpty ? "MsgEmpty" : "MsgRaw";
  if (isEmpty) await makeTopic(port, topic);
  await port.registerConsumer({
    group: "g",
    clientId: "c",
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map([[topic, expression]]),
    wantedQueues: [],
    dropLostQueues: () => undefined,
    takeNewQueues: () => undefined,
    brokerFailed: () => undefined,
  });
  return port;
}

function makeTopic({ engine }: LocalBroker, topic: string): Promise<void> {
  return engine.write(() => engine.topics.put(engine.topics.template(topic)));
}

function pull(port: LocalBroker, topic: string, offset: number, maxMessages = 10, queueId = 0): Promise<PullResult> {
  const request = { group: "g", topic, queueId, offset, maxMessages, maxBytes: 1_024, suspendMs: 0 };
  return port.pull(request, new AbortController().signal);
}

describe("a pull", () => {
  const recorded = messages
    .observed<readonly RecordedPull[]>("pull-results")
    .filter(({ result }) => result !== undefined);

  it.each(recorded)(
    "of $expr from $offset is answered as recorded in pull-results",
    async ({ expr, offset, maxNums, result }) => {
      const port = await openPort(expr ?? "*");

      const { status, nextOffset, minOffset, maxOffset, messages: found } = await pull(port, "MsgRaw", offset, maxNums);

      expect({ status, nextBeginOffset: nextOffset, minOffset, maxOffset, found: found.length || null }).toEqual(
        result,
      );
      await port.close();
    },
  );

  it.each(messages.observed<readonly RecordedPull[]>("pull-empty-queue"))(
    "from $offset of a queue never written to is answered as recorded in pull-empty-queue",
    async ({ offset, ...answer }) => {
      const port = await openPort("*", true);

      const { status, nextOffset, minOffset, maxOffset } = await pull(port, "MsgEmpty", offset);

      expect({ status, nextBeginOffset: nextOffset, minOffset, maxOffset }).toEqual(answer);
      await port.close();
    },
  );

  it.each([
    ["pull-unknown-topic", "MsgNoSuch", 0],
    ["pull-queue-out-of-range", "MsgRaw", 9],
  ] as const)("is refused as recorded in %s", async (fact, topic, queueId) => {
    const port = await openPort("*");

    const error = await pull(port, topic, 0, 10, queueId).catch((reason: unknown) => reason);

    expect(isMqError(error) && error.responseCode).toBe(messages.error(fact)?.responseCode);
    await port.close();
  });

  it.each([
    ["raw-pull-unknown-topic", "MsgNoSuch", 0],
    ["raw-pull-bad-queue", "MsgRaw", 9],
  ] as const)("is refused as recorded in %s", async (fact, topic, queueId) => {
    const port = await openPort("*");
    const { code } = validation.observed<{ readonly code: number }>(fact);

    const error = await pull(port, topic, 0, 10, queueId).catch((reason: unknown) => reason);

    expect(isMqError(error) && error.responseCode).toBe(code);
    await port.close();
  });

  it("of a topic that takes messages only is refused as recorded in raw-pull-write-only-topic", async () => {
    const port = await openPort("*");
    await port.engine.write(() => port.engine.topics.put({ ...port.engine.topics.get("MsgRaw"), perm: 2 }));
    const { code } = validation.observed<{ readonly code: number }>("raw-pull-write-only-topic");

    const error = await pull(port, "MsgRaw", 0).catch((reason: unknown) => reason);

    expect(isMqError(error) && error.responseCode).toBe(code);
    await port.close();
  });

  it("of a group without this subscription is refused as recorded in raw-pull-without-subscription", async () => {
    const port = await openPort("*");
    await makeTopic(port, "Other");
    const { code } = validation.observed<{ readonly code: number }>("raw-pull-without-subscription");

    const error = await pull(port, "Other", 0).catch((reason: unknown) => reason);

    expect(isMqError(error) && error.responseCode).toBe(code);
    await port.close();
  });

  it("of a group whose expression cannot be parsed is refused as recorded in raw-pull-bad-expression", async () => {
    const port = await openPort("||");
    const { code } = validation.observed<{ readonly code: number }>("raw-pull-bad-expression");

    const error = await pull(port, "MsgRaw", 0).catch((reason: unknown) => reason);

    expect(isMqError(error) && error.responseCode).toBe(code);
    await port.close();
  });
});
