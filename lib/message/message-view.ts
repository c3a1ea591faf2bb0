import { encodeOffsetMessageId } from "./offset-message-id.js";
import { decodeProperties, encodeDecoded, isSystemProperty, PROPERTY } from "./properties.js";
import { formatReceiptHandle, ORDERLY_REVIVE_QUEUE, type PoppedFrom, type ReceiptHandle } from "./receipt-handle.js";
import {
  bodyAt,
  bodyTextAt,
  bodyWithin,
  bornTimestampAt,
  flagAt,
  propertiesAt,
  type RecordContent,
  reconsumeTimesAt,
  sizeAt,
  sysFlagAt,
  tagsCodeAt,
  uniqueIdAt,
} from "./record.js";
import { utf8Size } from "./utf8-size.js";

/** One stored message, as a listener or `admin.browse` gets it. Immutable; what is costly to read is read when asked for. */
export interface MessageView {
  /** The unique id that the producer gave it, the same on every redelivery. */
  readonly messageId: string;
  /** Where this copy lies: store address and commit log offset, 32 hex digits. Empty in a local transaction and its check: a half message lies nowhere yet. */
  readonly offsetMessageId: string;
  /** Where it was sent to, also when it comes out of its group's retry topic. */
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
  /** Position in its message queue, from 0. */
  readonly queueOffset: number;
  /** Position in the log of the whole store; grows with each message. -1 of a half message. */
  readonly commitLogOffset: number;
  /** A buffer of its own: changing it changes nothing else. */
  readonly body: Buffer;
  /** The body as UTF-8. */
  text(): string;
  /**
   * The body parsed as JSON; `T` is taken on trust.
   *
   * @throws SyntaxError that says which message it is and where it lies. `JSON.parse(message.text())` would quote the body, and what a listener throws
   * is logged.
   */
  json<T = unknown>(): T;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  /** What the sender put into `properties`, without a `__SHARDINGKEY`: that is the message group. */
  readonly properties: Readonly<Record<string, string>>;
  /** Everything else, under RocketMQ's names: `UNIQ_KEY`, `TAGS`, `KEYS`, `WAIT`, `CLUSTER`, `MIN_OFFSET`, `MAX_OFFSET`, … */
  readonly systemProperties: Readonly<Record<string, string>>;
  /** `Message.messageGroup` or the property `__SHARDINGKEY`. */
  readonly messageGroup: string | undefined;
  /**
   * When it was to be delivered, in epoch milliseconds, where its sender put it off; as `profile: "rocketmq"` where the sender said so with `deliverAt`. The property
   * `TIMER_DELIVER_MS`.
   */
  readonly deliverAt: number | undefined;
  readonly transactionId: string | undefined;
  readonly flag: number;
  /** Bytes that the message takes in the log. */
  readonly storeSize: number;
  /** When and where it was sent, and when and where it was stored: epoch milliseconds, `host:port`. */
  readonly bornTimestamp: number;
  readonly storeTimestamp: number;
  readonly bornHost: string;
  readonly storeHost: string;
  /** How often consuming it failed before this delivery. */
  readonly reconsumeTimes: number;
  /** `reconsumeTimes + 1`. */
  readonly deliveryAttempt: number;
}

/** Address of the store: of each record, and within offset message ids. */
export interface StoreHost {
  readonly host: string;
  readonly port: number;
}

/** What a message takes from the broker and the block it lies in. */
export interface MessageOrigin {
  readonly topic: string;
  readonly brokerName: string;
  readonly clusterName: string;
  readonly queueId: number;
  readonly storeHost: StoreHost;
}

/** What a message gets from the pull that fetched it. */
export interface PullStamp {
  readonly minOffset: number;
  readonly maxOffset: number;
}

/** What a message gets from the pop that handed it out; what is popped together shares it. */
export interface PopStamp {
  readonly popKey: number;
  readonly startOffset: number;
  readonly popTime: number;
  readonly visibleAt: number;
  readonly poppedFrom: PoppedFrom;
  /** Of an orderly group, in which failures are not counted in the message: how often consuming it failed before. */
  readonly consumedTimes: number | undefined;
}

/** The records among which a message lies. */
export interface RecordBlock {
  readonly records: Buffer;
  /** Of the first record. */
  readonly commitLogOffset: number;
  readonly storeTimestamp: number;
}

const REGION = "DefaultRegion";

/** A message read from its record; holds on to the block, decodes on demand. */
export class StoredMessageView implements MessageView {
  readonly #origin: MessageOrigin;
  readonly #block: RecordBlock;
  readonly #at: number;
  readonly queueOffset: number;
  readonly #stamp: PullStamp | undefined;
  #messageId: string | undefined;
  #stored: ReadonlyMap<string, string> | undefined;
  #body: Buffer | undefined;
  #user: Readonly<Record<string, string>> | undefined;
  /** Failures since it was read; they are not stored. */
  readonly #localFailures: number;
  #consumeStartTimestamp: number | undefined;
  /** Where it was sent to, once that is another than where it lies. */
  #sentTo: string | undefined;
  #popStamp: PopStamp | undefined;

  /** Whether it is one of these, and nothing that stands in for one. */
  static is(value: object): value is StoredMessageView {
    return #popStamp in value;
  }

  /** @param at - where its record begins within the block. */
  constructor(
    origin: MessageOrigin,
    block: RecordBlock,
    at: number,
    queueOffset: number,
    stamp?: PullStamp,
    localFailures: number = 0,
  ) {
    this.#origin = origin;
    this.#block = block;
    this.#at = at;
    this.queueOffset = queueOffset;
    this.#stamp = stamp;
    this.#localFailures = localFailures;
  }

  get messageId(): string {
    this.#messageId ??= uniqueIdAt(this.#block.records, this.#at) || this.offsetMessageId;
    return this.#messageId;
  }
  get offsetMessageId(): string {
    if (this.commitLogOffset < 0) return "";
    const { host, port } = this.#origin.storeHost;
    return encodeOffsetMessageId(host, port, this.commitLogOffset);
  }
  get topic(): string {
    return this.#sentTo ?? this.#origin.topic;
  }
  /** Where it lies: the retry topic of a group, for example. */
  get storedTopic(): string {
    return this.#origin.topic;
  }
  get brokerName(): string {
    return this.#origin.brokerName;
  }
  get queueId(): number {
    return this.#origin.queueId;
  }
  get commitLogOffset(): number {
    return this.#block.commitLogOffset + this.#at;
  }
  get body(): Buffer {
    this.#body ??= bodyAt(this.#block.records, this.#at);
    return this.#body;
  }
  text(): string {
    return bodyTextAt(this.#block.records, this.#at);
  }
  json<T = unknown>(): T {
    try {
      return JSON.parse(this.text()) as T;
    } catch {
      // Without the cause, which quotes the body.
      const place = `topic ${this.storedTopic}, queue ${this.queueId}, offset ${this.queueOffset}`;
      const { length } = bodyWithin(this.#block.records, this.#at);
      throw new SyntaxError(`the body of message ${this.messageId} is no JSON: ${place}, ${length} bytes`);
    }
  }
  get tag(): string | undefined {
    return this.storedProperties.get(PROPERTY.TAGS);
  }
  get keys(): readonly string[] {
    const keys = this.storedProperties.get(PROPERTY.KEYS);
    return keys === undefined ? [] : keys.split(" ").filter((key) => key !== "");
  }
  get properties(): Readonly<Record<string, string>> {
    this.#user ??= Object.freeze(
      Object.fromEntries([...this.storedProperties].filter(([name]) => !isSystemProperty(name))),
    );
    return this.#user;
  }
  get systemProperties(): Readonly<Record<string, string>> {
    const system: Record<string, string> = {};
    for (const [name, value] of this.storedProperties) if (isSystemProperty(name)) system[name] = value;
    const uniqueId = uniqueIdAt(this.#block.records, this.#at);
    if (uniqueId !== "") system[PROPERTY.UNIQ_KEY] = uniqueId;
    system[PROPERTY.CLUSTER] = this.#origin.clusterName;
    system[PROPERTY.MSG_REGION] = REGION;
    system[PROPERTY.TRACE_ON] = "true";
    if (this.#stamp !== undefined) {
      system[PROPERTY.MIN_OFFSET] = String(this.#stamp.minOffset);
      system[PROPERTY.MAX_OFFSET] = String(this.#stamp.maxOffset);
    }
    if (this.#popStamp !== undefined) {
      system[PROPERTY.POP_CK] = formatReceiptHandle(this.receiptHandle as ReceiptHandle);
      system[PROPERTY.FIRST_POP_TIME] ??= String(this.#popStamp.popTime);
    }
    if (this.#consumeStartTimestamp !== undefined)
      system[PROPERTY.CONSUME_START_TIME] = String(this.#consumeStartTimestamp);
    return system;
  }
  get messageGroup(): string | undefined {
    return this.storedProperties.get(PROPERTY.SHARDING_KEY);
  }
  get deliverAt(): number | undefined {
    const time = this.storedProperties.get(PROPERTY.TIMER_DELIVER_MS);
    return time === undefined ? undefined : Number(time);
  }
  get transactionId(): string | undefined {
    return this.storedProperties.get(PROPERTY.TRAN_MSG) === "true" ? this.messageId : undefined;
  }
  get flag(): number {
    return flagAt(this.#block.records, this.#at);
  }
  get storeSize(): number {
    return sizeAt(this.#block.records, this.#at);
  }
  get bornTimestamp(): number {
    return bornTimestampAt(this.#block.records, this.#at);
  }
  get storeTimestamp(): number {
    return this.#block.storeTimestamp;
  }
  get bornHost(): string {
    return this.storeHost;
  }
  get storeHost(): string {
    const { host, port } = this.#origin.storeHost;
    return `${host}:${port}`;
  }
  get reconsumeTimes(): number {
    return (this.#popStamp?.consumedTimes ?? this.storedReconsumeTimes) + this.#localFailures;
  }
  get deliveryAttempt(): number {
    return this.reconsumeTimes + 1;
  }
  /** Without failures that were not stored. */
  get storedReconsumeTimes(): number {
    return reconsumeTimesAt(this.#block.records, this.#at);
  }

  /** In RocketMQ's names, without those that are alike for all or stored beside them. */
  get storedProperties(): ReadonlyMap<string, string> {
    this.#stored ??= decodeProperties(propertiesAt(this.#block.records, this.#at));
    return this.#stored;
  }

  /**
   * Says from now on that it is of the topic that it was sent to, where it lies in a retry topic.
   *
   * @param topic - where this retry topic is of one topic; a dead letter that is consumed again names the one that it came from.
   */
  restoreTopic(topic: string | undefined = this.storedProperties.get(PROPERTY.RETRY_TOPIC)): void {
    this.#sentTo = topic;
  }

  /** It was popped. */
  markPopped(stamp: PopStamp): void {
    this.#popStamp = stamp;
  }

  /** Its handle is another from now on, as its invisible duration was changed. */
  changeReceipt({ popKey, startOffset, popTime, invisibleMs }: ReceiptHandle): void {
    if (this.#popStamp !== undefined)
      this.#popStamp = { ...this.#popStamp, popKey, startOffset, popTime, visibleAt: popTime + invisibleMs };
  }

  /** What acknowledges it; `undefined` for a message that was not popped. */
  get receiptHandle(): ReceiptHandle | undefined {
    const stamp = this.#popStamp;
    if (stamp === undefined) return undefined;
    const { popKey, startOffset, popTime, visibleAt, poppedFrom, consumedTimes } = stamp;
    const { brokerName, queueId, queueOffset } = this;
    return {
      startOffset,
      popTime,
      invisibleMs: visibleAt - popTime,
      reviveQueueId: consumedTimes === undefined ? 0 : ORDERLY_REVIVE_QUEUE,
      poppedFrom,
      brokerName,
      queueId,
      queueOffset,
      popKey,
    };
  }

  /** What is stored when it is stored anew, with other properties and one more failure. */
  toRetriedRecord(
    properties: ReadonlyMap<string, string>,
    reconsumeTimes: number = this.storedReconsumeTimes + 1,
  ): RecordContent {
    const { records } = this.#block;
    const text = encodeDecoded(properties);
    const body = bodyWithin(records, this.#at);
    return {
      tagsCode: tagsCodeAt(records, this.#at),
      flag: this.flag,
      sysFlag: sysFlagAt(records, this.#at),
      bornTimestamp: this.bornTimestamp,
      reconsumeTimes,
      uniqueId: uniqueIdAt(records, this.#at),
      properties: text,
      propertiesSize: utf8Size(text),
      body,
      bodySize: body.length,
    };
  }

  /** A listener is about to get it; stamps `CONSUME_START_TIME`. */
  markConsumeStart(timestamp: number): void {
    this.#consumeStartTimestamp = timestamp;
  }

  /**
   * The same message for another delivery from memory: what listeners did to this one, or wrote down of it, stays with it.
   *
   * @param failures - how often consuming it failed since.
   */
  again(failures: number): StoredMessageView {
    const all = this.#localFailures + failures;
    const copy = new StoredMessageView(this.#origin, this.#block, this.#at, this.queueOffset, this.#stamp, all);
    copy.#sentTo = this.#sentTo;
    return copy;
  }
}
