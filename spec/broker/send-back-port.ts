import type { GroupMember } from "../../lib/broker/broker-port.js";
import type { SendBackOutcome, SendBackRequest } from "../../lib/broker/send-back.js";
import type { BrokerSettings, MessageContent } from "../../lib/index.js";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";

/** The delay levels 3 and 4: after the first failure, and after the second. */
export const FIRST_DELAY_MS = 10_000;
export const SECOND_DELAY_MS = 30_000;

/** A member of the group "billing" that takes part but pulls nothing by itself. */
export function quietMember(topic = "orders", clientId = "127.0.0.1@quiet"): GroupMember {
  const ignore = (): void => undefined;
  return {
    clientId,
    group: "billing",
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map([[topic, "*"]]),
    wantedQueues: [],
    dropLostQueues: ignore,
    takeNewQueues: ignore,
    brokerFailed: ignore,
  };
}

/** Topic "orders" with one queue that holds these messages, and the group "billing" with a quiet member. */
export async function portWith(
  messages: readonly (string | Omit<MessageContent, "topic">)[],
  settings: BrokerSettings = {},
): Promise<TestPort> {
  const broker = await openTestPort({ defaultQueueCount: 1, ...settings });
  const { mq, port } = broker;
  const full = messages.map((message): MessageContent => {
    return { topic: "orders", ...(typeof message === "string" ? { body: message } : message) };
  });
  if (full.length > 0) await mq.producer({ group: "shop" }).sendBatch(full, { queue: 0 });
  await port.registerConsumer(quietMember());
  return broker;
}

/** What the group "billing" gets from this queue. */
export function pulled({ port }: TestPort, topic = "orders", offset = 0): readonly StoredMessageView[] {
  const page = { maxMessages: 1_024, maxBytes: 2 ** 30, suspendMs: 0 };
  return port.messages.read({ group: "billing", topic, queueId: 0, offset, ...page }).messages;
}

/** Resolves with what became of each message. */
export function sendBack(
  { port }: TestPort,
  messages: readonly (StoredMessageView | undefined)[],
  options: Partial<SendBackRequest> = {},
): Promise<readonly SendBackOutcome[]> {
  return new Promise((resolve, reject) => {
    const request: SendBackRequest = {
      group: "billing",
      messages: messages as readonly StoredMessageView[],
      delayLevel: 0,
      maxReconsumeTimes: undefined,
      ...options,
    };
    port.sendBack(request, { sentBack: resolve, failed: reject });
  });
}

/** The messages of the retry topic and of the dead-letter queue. */
export function retried(broker: TestPort): readonly StoredMessageView[] {
  return broker.port.messages.browse("%RETRY%billing", 0, 0, 1_024);
}
export function deadLetters(broker: TestPort): readonly StoredMessageView[] {
  return broker.port.messages.browse("%DLQ%billing", 0, 0, 1_024);
}

/** All rows of a table. */
export function rowsOf({ mq }: TestPort, table: string): readonly unknown[] {
  const { database } = mq as unknown as { database: { prepare(sql: string): { all(): readonly unknown[] } } };
  return database.prepare(`SELECT * FROM ${table}`).all();
}
