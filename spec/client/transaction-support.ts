import type {
  Broker,
  EmbeddedTransactionProducer,
  MessageView,
  TransactionProducerOptions,
  TransactionResolution,
} from "../../lib/index.js";
import type { VirtualClock } from "../support/virtual-clock.js";

export const TOPIC = "orders";

/** What a producer says of each message, by its body; it says "unknown" of all others. */
export type Answers = Readonly<Record<string, TransactionResolution | (() => unknown)>>;

export interface Asked {
  readonly body: string;
  readonly atMs: number;
}

export interface StartedProducer {
  readonly producer: EmbeddedTransactionProducer;
  /** Since it was started, which messages it was asked for when. */
  readonly asked: readonly Asked[];
  readonly views: readonly MessageView[];
}

/** A transaction producer whose local transactions and checks end as `local` and `checks` say. */
export async function startProducer(
  { mq, clock }: { readonly mq: Broker; readonly clock: VirtualClock },
  local: Answers = {},
  checks: Answers = {},
  options: Partial<TransactionProducerOptions> = {},
): Promise<StartedProducer> {
  const asked: Asked[] = [];
  const views: MessageView[] = [];
  const startedAt = clock.now();
  const producer = mq.transactionProducer({
    group: "shop",
    executeLocalTransaction: (message) => say(local, message),
    checkLocalTransaction: (message) => {
      asked.push({ body: message.text(), atMs: clock.now() - startedAt });
      views.push(message);
      return say(checks, message);
    },
    ...options,
  });
  await producer.start();
  return { producer, asked, views };
}

function say(answers: Answers, message: MessageView): TransactionResolution {
  const answer = answers[message.text()] ?? "unknown";
  return (typeof answer === "function" ? answer() : answer) as TransactionResolution;
}

/** What is known of each half message, by what the admin says. */
export async function halves(mq: Broker): Promise<readonly string[]> {
  const infos = await mq.admin.listHalfMessages();
  return infos.map(({ topic, producerGroup, checks }) => `${topic} ${producerGroup} ${checks}`);
}
