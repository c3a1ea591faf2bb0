import type {
  Broker,
  EmbeddedTransactionProducer,
  MessageView,
  Transaction,
  TransactionResolution,
} from "../../lib/index.js";

type Said = TransactionResolution | Promise<TransactionResolution>;

/** What becomes of the local transactions of a trial's producer. */
export interface TransactorOptions {
  /** @defaultValue commit */
  readonly execute?: (message: MessageView) => Said;
  /** @defaultValue as `execute` */
  readonly check?: (message: MessageView) => Said;
  /** The first one is started by the operation. */
  readonly isStartedLater?: boolean;
}

/** The producer of a trial that sends in transactions, and answers checks. */
export class FaultTransactor {
  readonly producer: EmbeddedTransactionProducer;
  readonly #topic: string;
  readonly #open = new Map<string, Transaction>();

  /** @param asked - is told of each check, by the body of the message. */
  constructor(
    mq: Broker,
    topic: string,
    { execute = () => "commit", check = execute }: TransactorOptions,
    asked: (body: string) => void,
  ) {
    this.#topic = topic;
    this.producer = mq.transactionProducer({
      group: "shop",
      executeLocalTransaction: (message) => execute(message),
      checkLocalTransaction: (message) => {
        asked(message.text());
        return check(message);
      },
    }) as EmbeddedTransactionProducer;
  }

  async send(body: string): Promise<TransactionResolution> {
    const sent = await this.producer.sendInTransaction({ topic: this.#topic, body });
    return sent.localTransactionState;
  }

  /** A half message whose transaction ends later. */
  async begin(body: string, properties: Readonly<Record<string, string>> = {}): Promise<string> {
    const transaction = this.producer.beginTransaction();
    this.#open.set(body, transaction);
    const { messageId } = await transaction.send({ topic: this.#topic, body, properties }, { queue: 0 });
    return messageId;
  }

  end(body: string, end: "commit" | "rollback"): Promise<void> | undefined {
    return this.#open.get(body)?.[end]();
  }
}
