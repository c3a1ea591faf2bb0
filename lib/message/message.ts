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
   * Together with what RocketMQ adds they take at most 32,767 bytes.
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

/** One message to send. Source: RocketMQ, `common/.../message/Message.java`. */
export type Message = MessageContent;
