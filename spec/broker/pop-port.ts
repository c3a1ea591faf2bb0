import type { PopRequest } from "../../lib/broker/pop-message.js";
import type { BrokerSettings, GroupSettings, MessageContent } from "../../lib/index.js";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import type { ReceiptHandle } from "../../lib/message/receipt-handle.js";
import { openTestPort, type TestPort, type TestPortParts } from "../support/local-broker.js";

export const [GROUP, TOPIC] = ["billing", "orders"] as const;
export const RETRY_TOPIC = "%RETRY%billing_orders";
export const DEAD_LETTERS = "%DLQ%billing";
export const INVISIBLE_MS = 30_000;

export interface PortOptions extends BrokerSettings, Pick<TestPortParts, "path" | "database"> {
  /** Of the topic. @defaultValue 1 */
  readonly queues?: number;
  /** Of the group. */
  readonly group?: GroupSettings;
  /** What the next pops draw, of a hundred. */
  readonly drawn?: number[];
}

/** The topic with these messages in its first queue, and the group. */
export async function popPort(
  messages: readonly (string | Omit<MessageContent, "topic">)[] = [],
  options: PortOptions = {},
): Promise<TestPort> {
  const broker = await openPopPort(options);
  if (messages.length > 0) await send(broker, messages);
  return broker;
}

/** The same without messages; topic and group may be there. */
export async function openPopPort(options: PortOptions = {}): Promise<TestPort> {
  const { queues = 1, group = {}, drawn = [], path, database, ...settings } = options;
  const broker = await openTestPort(settings, {
    path,
    database,
    chance: (usual) => ({
      nextInt: (bound) => (bound === 100 ? drawn.shift() : undefined) ?? usual.nextInt(bound),
    }),
  });
  await broker.mq.admin.createTopic(TOPIC, { readQueueNums: queues, writeQueueNums: queues });
  await broker.mq.admin.createGroup(GROUP, group);
  return broker;
}

export async function send(
  { mq }: TestPort,
  messages: readonly (string | Omit<MessageContent, "topic">)[],
  queue = 0,
): Promise<void> {
  const full = messages.map((message): MessageContent => {
    return { topic: TOPIC, ...(typeof message === "string" ? { body: message } : message) };
  });
  await mq.producer({ group: "shop" }).sendBatch(full, { queue });
}

export interface Popping {
  readonly popped: Promise<readonly StoredMessageView[]>;
  withdraw(): boolean;
}

const REQUEST: PopRequest = {
  group: GROUP,
  topics: [{ topic: TOPIC, expression: "*" }],
  maxMessages: 32,
  invisibleMs: INVISIBLE_MS,
  awaitMs: 0,
  startAt: "last-message",
  attemptId: undefined,
};

/** A pop on its way. */
export function popping({ port }: Pick<TestPort, "port">, request: Partial<PopRequest> = {}): Popping {
  let withdraw = (): boolean => false;
  const popped = new Promise<readonly StoredMessageView[]>((resolve, reject) => {
    const write = port.pop({ ...REQUEST, ...request }, { popped: resolve, failed: reject });
    withdraw = () => write.withdraw();
  });
  return { popped, withdraw: () => withdraw() };
}

export function pop(
  broker: Pick<TestPort, "port">,
  request: Partial<PopRequest> = {},
): Promise<readonly StoredMessageView[]> {
  return popping(broker, request).popped;
}

export const texts = (messages: readonly StoredMessageView[]): readonly string[] =>
  messages.map((message) => message.text());

/** Acknowledges messages, each with the handle that it had when it was popped. */
export async function acknowledge(
  { port }: Pick<TestPort, "port">,
  messages: readonly (StoredMessageView | undefined)[],
  group: string = GROUP,
): Promise<void> {
  await Promise.all(
    messages.map((message) => {
      const { storedTopic, receiptHandle } = message as StoredMessageView;
      return port.acknowledge({ group, topic: storedTopic, handle: receiptHandle as ReceiptHandle });
    }),
  );
}

/** The same message with its new handle. */
export async function changeInvisible(
  { port }: Pick<TestPort, "port">,
  message: StoredMessageView | undefined,
  durationMs: number,
): Promise<ReceiptHandle> {
  const { storedTopic, receiptHandle } = message as StoredMessageView;
  return port.changeInvisible({ group: GROUP, topic: storedTopic, handle: receiptHandle as ReceiptHandle }, durationMs);
}

/** All rows of a table. */
export function rowsOf({ mq }: Pick<TestPort, "mq">, table: string): readonly Readonly<Record<string, unknown>>[] {
  const { database } = mq as unknown as { database: { prepare(sql: string): { all(): never[] } } };
  return database.prepare(`SELECT * FROM ${table}`).all();
}

/** Where the group goes on in each queue of the topic that it has popped. */
export function offsetsOf(broker: Pick<TestPort, "mq">, topic: string = TOPIC): readonly unknown[] {
  const rows = rowsOf(broker, "mq_consume_offset").filter((row) => row["topic"] === topic);
  return rows.map((row) => row["next_offset"]);
}
