import type { Broker, MessageView, TransactionResolution } from "../index.js";

/** What becomes of a message in the end. */
export type Fate = "arrived" | "discarded" | "given up";

/** One message of RocketMQ's tutorial on transactions. */
export interface TutorialMessage {
  readonly body: string;
  readonly tag: keyof typeof BY_TAG;
  /** What the producer says when it is asked. */
  readonly check: TransactionResolution;
  readonly fate: Fate;
}

export interface TutorialEvent {
  readonly atMs: number;
  readonly body: string;
  readonly tag: string;
  readonly what: string;
}

export interface TutorialResult {
  readonly events: readonly TutorialEvent[];
  /** By the body of the message. */
  readonly fates: ReadonlyMap<string, Fate>;
}

export const TUTORIAL_TOPIC = "TransactionTopic";

/** How the local transaction of a message ends. */
const BY_TAG = { TagA: "commit", TagB: "rollback", TagC: "unknown" } as const;

export const TUTORIAL_MESSAGES: readonly TutorialMessage[] = [
  { body: "msg-1", tag: "TagA", check: "unknown", fate: "arrived" },
  { body: "msg-2", tag: "TagB", check: "unknown", fate: "discarded" },
  { body: "msg-3", tag: "TagC", check: "commit", fate: "arrived" },
  { body: "msg-4", tag: "TagC", check: "rollback", fate: "discarded" },
  { body: "msg-5", tag: "TagC", check: "unknown", fate: "given up" },
];

/** Sends the five messages, and resolves when it is known what became of each. */
export async function runTutorial(mq: Broker, now: () => number, signal: AbortSignal): Promise<TutorialResult> {
  const events: TutorialEvent[] = [];
  const fates = new Map<string, Fate>();
  const bodies = new Map<string, string>();
  const startedAt = now();
  const tell = (body: string, what: string): void => {
    const tag = TUTORIAL_MESSAGES.find((message) => message.body === body)?.tag ?? "";
    events.push({ atMs: now() - startedAt, body, tag, what });
  };
  let settle: (body: string, fate: Fate) => void = () => undefined;
  let abort: () => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    abort = () => reject(signal.reason);
    settle = (body, fate) => {
      fates.set(body, fate);
      if (fates.size === TUTORIAL_MESSAGES.length) resolve();
    };
  });
  mq.on("transaction:resolved", ({ transactionId, resolution }) => {
    const body = bodies.get(transactionId) ?? "";
    if (resolution === "gave-up") tell(body, "is given up: nobody knows what became of its transaction");
    if (resolution !== "commit") settle(body, resolution === "rollback" ? "discarded" : "given up");
  });
  const consumer = mq.pushConsumer({
    group: "tutorial-consumer",
    subscriptions: { [TUTORIAL_TOPIC]: Object.keys(BY_TAG).join(" || ") },
    listener: (message) => {
      tell(message.text(), "arrives");
      settle(message.text(), "arrived");
    },
  });
  const producer = mq.transactionProducer({
    group: "tutorial-producer",
    executeLocalTransaction: (message) => {
      bodies.set(message.transactionId ?? "", message.text());
      const said = BY_TAG[message.tag as keyof typeof BY_TAG];
      tell(message.text(), `is stored; its local transaction says ${said}`);
      return said;
    },
    checkLocalTransaction: (message: MessageView) => {
      const said = TUTORIAL_MESSAGES.find(({ body }) => body === message.text())?.check ?? "unknown";
      tell(message.text(), `is checked: its producer says ${said}`);
      return said;
    },
  });
  signal.addEventListener("abort", abort, { once: true });
  try {
    await consumer.start();
    await producer.start();
    for (const { body, tag } of TUTORIAL_MESSAGES)
      await producer.sendInTransaction({ topic: TUTORIAL_TOPIC, tag, body });
    await ended;
  } finally {
    signal.removeEventListener("abort", abort);
    await Promise.all([producer.close(), consumer.close()]);
  }
  return { events, fates };
}

/** Whether each message met the fate that its tag and its check mean for it. */
export function isTutorialRight({ fates }: TutorialResult): boolean {
  return TUTORIAL_MESSAGES.every(({ body, fate }) => fates.get(body) === fate);
}
