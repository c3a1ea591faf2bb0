import { MqError } from "../errors.js";
import type { MessageDelay } from "../message/message-delay.js";
import { encodeDecoded, PROPERTY } from "../message/properties.js";
import type { RecordContent } from "../message/record.js";
import { clampDelayLevel, delayOfLevel } from "../time/delay-levels.js";
import { PROFILES, type Profile } from "./profile.js";

/** A timer may be set so far ahead. Source: RocketMQ, `MessageStoreConfig.java`, `timerMaxDelaySec`. */
export const MAX_TIMER_MS: number = 3 * 86_400_000;

/** What becomes of a message that says when it is to be delivered. */
export interface DelayedMessage {
  /** What is stored of it, from now on and in its queue. */
  readonly record: RecordContent;
  /** `undefined`: at once. */
  readonly dueAt: number | undefined;
  /** For so long; `undefined`: until that moment, wherever the clock is set meanwhile. A timer is one, as in RocketMQ, also when it was said how far ahead. */
  readonly delayMs?: number;
  /** The moment in its recall handle; `undefined`: it cannot be recalled. */
  readonly recallAt: number | undefined;
}

/** When a timer is due whose recall handle has this moment, by whichever profile it was put off. */
export function dueTimesOf(recallAt: number): readonly number[] {
  return Object.values(PROFILES).map(({ timerPrecisionMs }) => recallAt - 1 + timerPrecisionMs);
}

type Properties = readonly (readonly [name: string, value: string | number])[];

/**
 * When a message is delivered that says so, and which properties it has then.
 *
 * | it asks for | `embedded` | `rocketmq` |
 * | --- | --- | --- |
 * | a delay level above 0 | after that; `TIMER_DELIVER_MS` says when | after that; `DELAY`, `REAL_TOPIC`, `REAL_QID` |
 * | a time to come | at that; `TIMER_DELIVER_MS` | at the next whole second; as it asked, `TIMER_OUT_MS`, `TIMER_ENQUEUE_MS`, `TIMER_DEQUEUE_MS`, `REAL_TOPIC`, `REAL_QID` |
 * | a time that has come | at once; `TIMER_DELIVER_MS` | at once; as it asked |
 * | a level of 0 or less | at once | at once; `DELAY` |
 *
 * A level above 0 wins over a time; of several ways to say a time seconds win over milliseconds, and both over a moment.
 *
 * Source: RocketMQ 5.3.3, `broker/.../util/HookUtils.java`, `handleScheduleMessage`, `transformTimerMessage`.
 */
export class MessageDelays {
  readonly #profile: Profile;
  readonly #levelsMs: readonly number[];

  constructor(profile: Profile, levelsMs: readonly number[]) {
    this.#profile = profile;
    this.#levelsMs = levelsMs;
  }

  /** Throws `ERR_MQ_MESSAGE_ILLEGAL` (13) for a time that is too far ahead. @param place - the queue in which it is to lie. */
  resolve(
    message: RecordContent,
    delay: MessageDelay,
    place: { readonly topic: string; readonly queueId: number },
    now: number,
  ): DelayedMessage {
    const { level = 0 } = delay;
    const real: Properties = [
      [PROPERTY.REAL_TOPIC, place.topic],
      [PROPERTY.REAL_QID, place.queueId],
    ];
    if (level > 0) {
      const delayMs = delayOfLevel(level, this.#levelsMs);
      const dueAt = now + delayMs;
      const used: Properties = [[PROPERTY.DELAY, clampDelayLevel(level, this.#levelsMs)]];
      return { record: this.#withProperties(message, dueAt, [...used, ...real]), dueAt, delayMs, recallAt: undefined };
    }
    const asked = askedProperties(delay);
    const deliverAt = deliveryTime(delay, now);
    if (deliverAt !== undefined && deliverAt - now > MAX_TIMER_MS) throw tooFar(deliverAt - now);
    if (deliverAt === undefined || deliverAt <= now)
      return { record: this.#withProperties(message, deliverAt, asked), dueAt: undefined, recallAt: undefined };
    const { timerPrecisionMs: precision } = this.#profile;
    const dueAt = Math.ceil(deliverAt / precision) * precision;
    const outAt = dueAt - precision;
    const timer: Properties = [
      [PROPERTY.TIMER_OUT_MS, outAt],
      [PROPERTY.TIMER_ENQUEUE_MS, now],
      [PROPERTY.TIMER_DEQUEUE_MS, dueAt],
    ];
    const record = this.#withProperties(message, deliverAt, [...asked, ...real, ...timer]);
    return { record, dueAt, recallAt: outAt + 1 };
  }

  /** @param deliverAt - what an application wants to know; `undefined`: it asked for no time. @param recorded - what RocketMQ's messages have. */
  #withProperties(message: RecordContent, deliverAt: number | undefined, recorded: Properties): RecordContent {
    const own: Properties = deliverAt === undefined ? [] : [[PROPERTY.TIMER_DELIVER_MS, deliverAt]];
    const added = (this.#profile.keepsDelayProperties ? recorded : own).map(
      ([name, value]) => [name, `${value}`] as const,
    );
    // All of them are ASCII.
    const text = encodeDecoded(added);
    const { tagsCode, flag, sysFlag, bornTimestamp, reconsumeTimes, uniqueId, body, bodySize } = message;
    return {
      ...{ tagsCode, flag, sysFlag, bornTimestamp, reconsumeTimes, uniqueId, body, bodySize },
      properties: message.properties + text,
      propertiesSize: message.propertiesSize + text.length,
    };
  }
}

function askedProperties({ level, delaySeconds, delayMs, deliverAt }: MessageDelay): Properties {
  const asked = [
    [PROPERTY.DELAY, level],
    [PROPERTY.TIMER_DELAY_SEC, delaySeconds],
    [PROPERTY.TIMER_DELAY_MS, delayMs],
    [PROPERTY.TIMER_DELIVER_MS, deliverAt],
  ] as const;
  return asked.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function deliveryTime({ delaySeconds, delayMs, deliverAt }: MessageDelay, now: number): number | undefined {
  if (delaySeconds !== undefined) return now + delaySeconds * 1_000;
  if (delayMs !== undefined) return now + delayMs;
  return deliverAt;
}

function tooFar(ms: number): MqError {
  const rule = `the delay time should not be bigger than the max delay ${MAX_TIMER_MS}ms`;
  return new MqError("ERR_MQ_MESSAGE_ILLEGAL", `timer message illegal, ${rule}, got ${ms}`);
}
