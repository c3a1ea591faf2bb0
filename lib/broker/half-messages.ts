import { MqError } from "../errors.js";
import { decodeProperties, encodeDecoded, PROPERTY } from "../message/properties.js";
import { addSysFlag, encodeRecord, propertiesAt, replaceProperties, uniqueIdAt } from "../message/record.js";
import { GIVEN_UP_TOPIC } from "../message/system-topics.js";
import type { HalfMessage } from "../store/half-table.js";
import type { Store } from "../store/store.js";
import { CheckRounds } from "./check-rounds.js";
import type { CheckSchedule, MovedHalves, TransactionSettings } from "./check-schedule.js";
import { changeProperties, immunityIn, immunityOf } from "./half-properties.js";
import type { LogAppender, MessageToAppend } from "./log-appender.js";
import type { Profile } from "./profile.js";
import { TimedChecks } from "./timed-checks.js";
import type { Topics } from "./topics.js";
import type { TransactionCheckers } from "./transaction-checkers.js";

/** As `TopicConfigManager.createTopicOfTranCheckMaxTime` makes it. */
const GIVEN_UP_QUEUES = { readQueueNums: 1, writeQueueNums: 1 } as const;
/** Source: RocketMQ, `common/.../sysflag/MessageSysFlag.java`, `TRANSACTION_COMMIT_TYPE`. */
const COMMITTED = 8;

/** Some ten thousand years: users may ask for more than a number can hold together with a time. */
const FOREVER_MS = 2 ** 48;
/** Source: RocketMQ, `remoting/.../protocol/ResponseCode.java`. */
const ILLEGAL_OPERATION = 604;

/** How a transaction ends. */
export type TransactionEnd = "commit" | "rollback";

/** Which one ends, and how. */
export interface EndOfTransaction {
  readonly producerGroup: string;
  readonly transactionId: string;
  /** Of the half message, in the half queue. */
  readonly halfOffset: number;
  readonly end: TransactionEnd;
  /** How large its half message is, where that is known. */
  readonly bytes?: number | undefined;
  /** It answers a check, which is never too late. */
  readonly isFromCheck?: boolean | undefined;
}

/** A half message that is to be stored. */
interface HalfToAppend {
  readonly topic: string;
  readonly queueId: number;
  readonly request: HalfRequest;
  readonly message: MessageToAppend;
}

/** What a half message says of its transaction. */
export interface HalfRequest {
  /** Whose producers are asked what became of it. */
  readonly producerGroup: string;
  /** Filled in: as it was sent, in the form of the log. */
  record?: Buffer | undefined;
}

export interface HalfMessagesParts {
  readonly store: Store;
  readonly topics: Topics;
  readonly appender: LogAppender;
  readonly checkers: TransactionCheckers;
  readonly settings: TransactionSettings;
  readonly profile: Profile;
  /** Other processes may have the store open. */
  readonly isShared: boolean;
  readonly now: () => number;
}

/**
 * Half messages: stored with their transaction open, seen by no consumer, and settled by their producer or by timed checks.
 *
 * ```
 * sent ─▶ mq_half ──commit──▶ log            (deleted and appended in one transaction)
 *          │  │ └──rollback──▶ nothing
 *          │  └─when it is time for a check─▶ counted, put off, then its producers are asked
 *          └────after checkMax checks─▶ TRANS_CHECK_MAX_TIME_TOPIC
 * ```
 *
 * Source: RocketMQ 5.3.3, `broker/.../transaction/queue/TransactionalMessageServiceImpl.java`, which copies a half message for each check, and notes in a second topic
 * which of them have ended; and `broker/.../processor/EndTransactionProcessor.java`.
 */
export class HalfMessages {
  readonly checks: CheckSchedule;
  readonly #parts: HalfMessagesParts;
  #collected: HalfToAppend[] = [];
  #givenUp: HalfMessage[] = [];

  constructor(parts: HalfMessagesParts) {
    const { store, checkers, settings, profile, isShared, now } = parts;
    this.#parts = parts;
    const checks = { store, checkers, settings, giveUp: (half: HalfMessage) => this.#giveUp(half) };
    this.checks = profile.checksInRounds
      ? new CheckRounds({ ...checks, isShared, openedAt: now() })
      : new TimedChecks(checks);
  }

  /** Inside a transaction: collects a half message; nothing is written yet. */
  add(topic: string, queueId: number, request: HalfRequest, message: MessageToAppend): void {
    this.#collected.push({ topic, queueId, request, message });
  }

  /** Inside a transaction: writes what was collected, and says in each message where in the half queue it lies. */
  write(): void {
    const { store, settings, profile, now } = this.#parts;
    store.halves.write();
    const collected = this.#collected;
    if (collected.length === 0) return;
    this.#collected = [];
    const storedAt = now();
    let halfOffset = store.meta.reserveHalfOffsets(collected.length);
    const halves: HalfMessage[] = [];
    for (const { topic, queueId, request, message } of collected) {
      const sent = encodeRecord(message);
      const waitMs = Math.min(Math.max(0, immunityIn(message.properties) ?? settings.timeoutMs), FOREVER_MS);
      const record = profile.keepsTransactionProperties
        ? withRecordedProperties(sent, topic, queueId, message.uniqueId)
        : sent;
      const half: HalfMessage = {
        halfOffset,
        transactionId: message.uniqueId,
        producerGroup: request.producerGroup,
        topic,
        queueId,
        checks: 0,
        checkAt: profile.checksInRounds ? storedAt : storedAt + waitMs,
        waitMs,
        bornTimestamp: message.bornTimestamp,
        storedAt,
        size: record.length,
        record,
      };
      halves.push(half);
      this.checks.added(half);
      // Views of it never show the flag that its commit may set in it.
      request.record = sent;
      message.queueOffset = halfOffset;
      halfOffset += 1;
    }
    store.halves.insertAll(halves);
  }

  /**
   * Inside a transaction: ends the transaction of a half message. False: it has ended before, and the profile lets that pass.
   *
   * Throws `ERR_MQ_TRANSACTION` when the half message is of another group or transaction, or the profile refuses what comes too late; as an append for a topic that takes it no longer.
   */
  end({ halfOffset, transactionId, producerGroup, end, isFromCheck = false }: EndOfTransaction): boolean {
    const { halves } = this.#parts.store;
    // Where a check has moved it meanwhile it is found by its transaction.
    const half = halves.find(halfOffset) ?? halves.findChecked(transactionId);
    const { refusesLateEnds } = this.#parts.profile;
    if (half === undefined) {
      if (refusesLateEnds && !isFromCheck)
        throw refused(`Find prepared transaction message failed: transaction ${transactionId} has ended`);
      return false;
    }
    if (half.producerGroup !== producerGroup)
      throw refused(`The producer group wrong: expected ${half.producerGroup}, got ${producerGroup}`);
    if (half.transactionId !== transactionId)
      throw refused(`The transaction id wrong: expected ${half.transactionId}, got ${transactionId}`);
    if (refusesLateEnds && !isFromCheck) this.#assertNotLate(half);
    this.resolve(half, end);
    return true;
  }

  /** Inside a transaction: the same, of one that was just read. */
  resolve(half: HalfMessage, end: TransactionEnd): void {
    if (end === "commit") this.#append(half.topic, half.queueId, half.record);
    this.#parts.store.halves.delete(half);
    this.checks.forgetEarliest();
  }

  #append(topic: string, queueId: number, record: Buffer): void {
    const { topics, appender } = this.#parts;
    const created = topics.checkForAppend(topic, queueId);
    if (created !== undefined) topics.put(created);
    addSysFlag(record, 0, COMMITTED);
    appender.addEncoded(topic, queueId, record, 1);
  }

  /** Inside a transaction: sends a message to where it was to go that was given up. Throws `ERR_MQ_TRANSACTION` when it does not say where that is; as an append for a topic that takes it no longer. */
  sendGivenUp(givenUp: Buffer): void {
    const properties = decodeProperties(propertiesAt(givenUp, 0));
    const topic = properties.get(PROPERTY.REAL_TOPIC);
    const queueId = Number(properties.get(PROPERTY.REAL_QID));
    if (topic === undefined || !Number.isSafeInteger(queueId))
      throw refused(`the message of transaction ${uniqueIdAt(givenUp, 0)} does not say where it was to go`);
    if (!this.#parts.profile.keepsTransactionProperties)
      for (const name of [PROPERTY.REAL_TOPIC, PROPERTY.REAL_QID]) properties.delete(name);
    this.#append(topic, queueId, replaceProperties(givenUp, encodeDecoded(properties)));
  }

  /** The transaction was committed. Those of which producers are to be asked now, and those that were given up. */
  takeMoved(): MovedHalves {
    const moved = { counted: this.checks.takeCounted(), givenUp: this.#givenUp };
    this.#givenUp = [];
    return moved;
  }

  /** What is stored may be another, and what was collected is not stored. */
  drop(): void {
    this.#collected = [];
    this.#givenUp = [];
    this.#parts.store.halves.drop();
    this.checks.drop();
  }

  /** Source: RocketMQ 5.3.3, `broker/.../processor/EndTransactionProcessor.java`, `rejectCommitOrRollback`. */
  #assertNotLate({ record, bornTimestamp }: HalfMessage): void {
    const immunityMs = immunityOf(record);
    if (immunityMs === undefined) return;
    const { settings, now } = this.#parts;
    const limitMs = Math.max(immunityMs, settings.timeoutMs);
    const ageMs = now() - bornTimestamp;
    if (ageMs <= limitMs) return;
    throw new MqError(
      "ERR_MQ_TRANSACTION",
      `Message commit fail: its producer has ${limitMs} ms for it, got it after ${ageMs}; it is settled by a check`,
      { responseCode: ILLEGAL_OPERATION },
    );
  }

  /** With where it was to go, so that it can be sent there. */
  #toGivenUp({ record, topic, queueId }: HalfMessage): Buffer {
    if (this.#parts.profile.keepsTransactionProperties) return record;
    return changeProperties(record, [
      [PROPERTY.REAL_TOPIC, topic],
      [PROPERTY.REAL_QID, `${queueId}`],
    ]);
  }

  #giveUp(half: HalfMessage): void {
    const { store, topics, appender } = this.#parts;
    if (topics.find(GIVEN_UP_TOPIC) === undefined)
      topics.put({ ...topics.template(GIVEN_UP_TOPIC), ...GIVEN_UP_QUEUES });
    appender.addEncoded(GIVEN_UP_TOPIC, 0, this.#toGivenUp(half), 1);
    store.halves.delete(half);
    this.#givenUp.push(half);
  }
}

/** As RocketMQ's half messages, and what becomes of them, have them. */
function withRecordedProperties(record: Buffer, topic: string, queueId: number, transactionId: string): Buffer {
  return changeProperties(record, [
    [PROPERTY.REAL_TOPIC, topic],
    [PROPERTY.REAL_QID, `${queueId}`],
    [PROPERTY.TRANSACTION_ID, transactionId],
  ]);
}

function refused(text: string): MqError {
  return new MqError("ERR_MQ_TRANSACTION", text);
}
