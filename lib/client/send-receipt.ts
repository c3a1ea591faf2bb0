/** What a stored message got. */
export interface SendReceipt {
  /**
   * An embedded broker answers `SEND_OK` or fails; the others, which RocketMQ gives for a message that is stored but not yet everywhere it
   * should be, are there for the day the same code talks to a cluster.
   */
  readonly status: "SEND_OK" | "FLUSH_DISK_TIMEOUT" | "FLUSH_SLAVE_TIMEOUT" | "SLAVE_NOT_AVAILABLE";
  /** The unique id that every consumer sees as `messageId`. */
  readonly messageId: string;
  /** Where the message lies: store address and commit log offset, 32 hex digits. Empty for a message that is put off, which lies nowhere yet. */
  readonly offsetMessageId: string;
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  /** Position in the message queue, from 0; -1 for a message that is put off. */
  readonly queueOffset: number;
  /** As RocketMQ answers every single send: the unique id once more. */
  readonly transactionId?: string | undefined;
  /** What `producer.recall` takes to call the message back; of messages that were put off with `delayMs` or `deliverAt`. */
  readonly recallHandle?: string | undefined;
}
