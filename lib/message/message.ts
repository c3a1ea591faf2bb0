/** What can be sent. Fields that are absent or `undefined` take their defaults; a field of another name is refused. */
export interface MessageContent {
  /** 1 to 127 characters out of `% | a-z A-Z 0-9 _ -`. A topic that does not exist is created where the broker allows it. */
  readonly topic: string;
  /** 1 byte to `maxMessageSize` (4 MiB). A string is sent as UTF-8. Bytes are used as they are: do not change them until the send settles. */
  readonly body: Uint8Array | string;
  /** What consumers filter by; one label, compared exactly. An empty one is none. */
  readonly tag?: string | undefined;
  /** Terms to find the message by. A string with spaces is several keys; in an array each key is one, and may be neither empty nor hold a space. */
  readonly keys?: string | readonly string[] | undefined;
  /**
   * Your own names and values; neither may be blank nor hold `\u0001` or `\u0002`. RocketMQ's names (`TAGS`, `DELAY`, …) are refused.
   * Together with what RocketMQ adds they take at most 32,767 bytes. `__SHARDINGKEY` is allowed, as in RocketMQ, and says of which message group the
   * message is, but picks no queue; it excludes `messageGroup`.
   */
  readonly properties?: Readonly<Record<string, string>> | undefined;
  /** 32 bits of your own; PocketMQ only carries them. @defaultValue 0 */
  readonly flag?: number | undefined;
  /**
   * Carried for RocketMQ's consumers, as the property `WAIT`; a send resolves once it is durable in any case. All messages of a batch have
   * the same. @defaultValue true
   */
  readonly waitStoreMsgOk?: boolean | undefined;
}

/** What of a message says in which order it is consumed. */
interface Ordered {
  /**
   * What is to stay in order: an order, an account. Messages of one group lie in one message queue, in the order of the sends, as long as the number of
   * the topic's writable queues stays; when it grows, groups move to new queues only. An orderly consumer gets them in that order. Not blank, at most 63
   * bytes of UTF-8, no control characters. Stored as the property `__SHARDINGKEY`. `SendOptions.queue` wins.
   *
   * The queue is the one that RocketMQ 5 picks. Producers of RocketMQ 4 that use `SelectMessageQueueByHash` pick another: give them and us
   * `selectByHash`.
   *
   * Source: RocketMQ 5.3.3, `proxy/.../grpc/v2/producer/SendMessageActivity.java`.
   */
  readonly messageGroup?: string | undefined;
  readonly delayLevel?: undefined;
  readonly delayMs?: undefined;
  readonly deliverAt?: undefined;
}

/** What of a message puts it off by one of the broker's `messageDelayLevels`. */
interface DelayedByLevel {
  /**
   * From 1; above the last level it is the last one, 0 and less is no delay. Messages of one level come in the order of their sends. They cannot be recalled.
   *
   * Source: RocketMQ, `broker/.../schedule/ScheduleMessageService.java`.
   */
  readonly delayLevel: number;
  readonly messageGroup?: undefined;
  readonly delayMs?: undefined;
  readonly deliverAt?: undefined;
}

/** What of a message puts it off for a while. */
interface DelayedFor {
  /**
   * Whole milliseconds from when it is stored, at most three days; 0 and less is no delay. The receipt has a `recallHandle`.
   *
   * Source: RocketMQ, `store/.../timer/TimerMessageStore.java`, whose precision `profile: "rocketmq"` has: up to the next whole second.
   */
  readonly delayMs: number;
  readonly messageGroup?: undefined;
  readonly delayLevel?: undefined;
  readonly deliverAt?: undefined;
}

/** What of a message puts it off until a moment. */
interface DelayedUntil {
  /** A Date or epoch milliseconds, at most three days ahead; one that has passed is now. Otherwise as `delayMs`. */
  readonly deliverAt: number | Date;
  readonly messageGroup?: undefined;
  readonly delayLevel?: undefined;
  readonly delayMs?: undefined;
}

/**
 * One message to send. It may have a `messageGroup` or be put off, not both, and be put off in one way only. One that is put off lies in no queue, no matter how many
 * restarts later, until its time has come: then it gets its offset, and consumers see it within milliseconds, never before.
 *
 * Source: RocketMQ, `common/.../message/Message.java`.
 */
export type Message = MessageContent & (Ordered | DelayedByLevel | DelayedFor | DelayedUntil);
