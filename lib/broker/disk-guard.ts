import { isMqError, MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { DiskSpace, type DiskUsage, usedPercent } from "../store/disk-space.js";
import { isDiskFull, toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { BrokerParts } from "./broker-parts.js";
import type { AppendObserver, AppendRequest } from "./broker-port.js";
import type { WrittenBlock } from "./log-appender.js";

/** Above it sends are refused. Source: RocketMQ, `MessageStoreConfig.java`, `diskSpaceWarningLevelRatio`. */
const FULL_PERCENT = 90;
/** Up to here they are taken again; above it messages are deleted that are not old enough. Source: the same, `diskSpaceCleanForciblyRatio`. */
const FORCE_PERCENT = 85;
/** Next to the limit it is looked again after so many bytes. */
const MIN_BYTES_A_LOOK = 256 * 1024;

/** When a disk counts as full, and what is done before. */
export interface DiskSettings {
  /** Sends are refused while less is free; 0: never. */
  readonly minFreeBytes: number;
  /** While more is in use, what has been kept for long enough is deleted at any hour. */
  readonly maxUsedPercent: number;
  /** Whether RocketMQ's steps hold, at 85 and 90 %. */
  readonly hasSteps: boolean;
}

export interface DiskGuardParts {
  readonly space: DiskSpace;
  readonly settings: DiskSettings;
  readonly clock: Clock;
  readonly events: EventHub;
  readonly logger: Logger;
  /** Reads now; throws `ERR_MQ_SYSTEM_BUSY` rather than wait. */
  readonly read: <T>(work: () => T) => T;
}

/**
 * Refuses sends before the disk is so full that nothing else could be stored either. Only sends: acknowledgements, offsets and copies of messages that failed go on,
 * for which the room that is left is there. RocketMQ refuses these copies too; its client then calls the listener again every 5 s and counts in memory alone, as it
 * is here when SQLite has no room for one.
 *
 * ```
 * roomy ── the disk has little room ──▶ full: sends are refused ── it has room again ──▶ roomy
 *   └───── SQLite has none, whatever the disk says ──▶ tight: sends are tried ── one is stored ──▶ roomy
 * ```
 * Room that deleting has made in the file counts as free, as the file does not shrink.
 *
 * Source: RocketMQ, `store/.../DefaultMessageStore.java`, `CleanCommitLogService.isSpaceToDelete`; `broker/.../util/HookUtils.java`, `checkBeforePutMessage`;
 * `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`, `processConsumeResult`.
 */
export class DiskGuard {
  readonly #parts: DiskGuardParts;
  #state: "roomy" | "tight" | "full" = "roomy";
  #usage: DiskUsage | undefined;
  #reusableBytes = 0;
  /** More than 90 % were in use, and it was not 85 since. */
  #isAboveStep = false;
  /** SQLite had no room, since the last look of all. */
  #hasFailed = false;
  /** Something was stored since it had none. */
  #hasCommitted = false;
  #bytesUntilLook = Number.POSITIVE_INFINITY;

  /** `undefined` in memory. */
  static of({ engine, settings, database, events }: BrokerParts): DiskGuard | undefined {
    const { connection, realPath } = database;
    if (realPath === undefined) return undefined;
    const { disk, clock, logger } = settings;
    const space = new DiskSpace(connection, realPath);
    return new DiskGuard({ space, settings: disk, clock, events, logger, read: (work) => engine.reads.readNow(work) });
  }

  constructor(parts: DiskGuardParts) {
    this.#parts = parts;
  }

  /** Whether so much is in use that old messages are to go at any hour. */
  get isShort(): boolean {
    return this.#usage !== undefined && usedPercent(this.#usage) > this.#parts.settings.maxUsedPercent;
  }

  /** How much has to go, old or not. */
  get excessBytes(): number {
    if (this.#usage === undefined || !this.#parts.settings.hasSteps) return 0;
    const { usedBytes, freeBytes } = this.#usage;
    return Math.max(0, usedBytes - ((usedBytes + freeBytes) * FORCE_PERCENT) / 100);
  }

  /** Throws while sends are refused. @param isGuest - it is to be stored in a transaction of the connection's owner. */
  assertRoom({ delay, half, bytes }: AppendRequest, isGuest: boolean): void {
    // No commit of ours tells of these that they were written to the log.
    if (isGuest || delay !== undefined || half !== undefined) this.#count(bytes);
    if (this.#state === "full") throw this.#refusal();
  }

  /** The same, and sees how the send ends where that tells something. */
  admit(request: AppendRequest, observer: AppendObserver): AppendObserver {
    this.assertRoom(request, false);
    if (this.#state === "roomy") return observer;
    return {
      stored: () => {
        this.sendStored();
        observer.stored();
      },
      failed: (error) => observer.failed(error),
    };
  }

  sendStored(): void {
    if (this.#state === "tight") this.#become("roomy");
  }

  /** Whatever it was. */
  committed(written: readonly WrittenBlock[]): void {
    this.#hasCommitted = true;
    let bytes = 0;
    for (const { block } of written) bytes += block.records.length;
    this.#count(bytes);
  }

  /** So much of messages is written, or is to be. */
  #count(bytes: number): void {
    this.#bytesUntilLook -= bytes;
    if (this.#bytesUntilLook < 0) this.look();
  }

  failed(error: unknown): void {
    if (!isDiskFull(error)) return;
    this.#hasFailed = true;
    this.#hasCommitted = false;
    this.#look("tight");
  }

  /** From the first moment on; who opens the store can listen only afterwards. */
  open(): void {
    this.#look("roomy", (tell) => this.#parts.clock.turn(tell));
  }

  look(): void {
    // Small things may be stored all the time while a large send is not.
    const isTight = this.#state === "tight" && (this.#hasFailed || !this.#hasCommitted);
    this.#hasFailed = false;
    this.#look(isTight ? "tight" : "roomy");
  }

  /** @param otherwise - what it is where the disk has room. */
  #look(otherwise: "roomy" | "tight", when: (tell: () => void) => void = atOnce): void {
    const usage = this.#read();
    if (usage === undefined) {
      // What is not known changes nothing that was.
      if (this.#state !== "full") this.#become(otherwise, when);
      return;
    }
    const { minFreeBytes, hasSteps } = this.#parts.settings;
    const percent = usedPercent(usage);
    if (percent <= FORCE_PERCENT) this.#isAboveStep = false;
    else if (percent > FULL_PERCENT) this.#isAboveStep = hasSteps;
    this.#usage = usage;
    this.#bytesUntilLook =
      minFreeBytes === 0
        ? Number.POSITIVE_INFINITY
        : // Each byte of a message is written to the write-ahead log, too.
          Math.max((usage.freeBytes - minFreeBytes) / 2, MIN_BYTES_A_LOOK);
    this.#become(usage.freeBytes < minFreeBytes || this.#isAboveStep ? "full" : otherwise, when);
  }

  #read(): DiskUsage | undefined {
    const { space, settings, read, events } = this.#parts;
    const usage = space.read();
    if (usage === undefined) return undefined;
    const { minFreeBytes, maxUsedPercent, hasSteps } = settings;
    const limit = hasSteps ? Math.min(maxUsedPercent, FORCE_PERCENT) : maxUsedPercent;
    // It matters only then, and whoever owns the connection may be in the way.
    if (usage.freeBytes >= minFreeBytes && usedPercent(usage) <= limit) return usage;
    try {
      this.#reusableBytes = read(() => space.reusableBytes());
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY") && !isMqError(error, "ERR_MQ_CLOSED"))
        events.error(toMqError(error, "looking for room in the file"));
    }
    return {
      usedBytes: Math.max(0, usage.usedBytes - this.#reusableBytes),
      freeBytes: usage.freeBytes + this.#reusableBytes,
    };
  }

  #become(state: "roomy" | "tight" | "full", when: (tell: () => void) => void = atOnce): void {
    const wasRoomy = this.#state === "roomy";
    this.#state = state;
    if (wasRoomy !== (state === "roomy")) when(() => this.#tell(wasRoomy));
  }

  #tell(isFull: boolean): void {
    const { events, logger } = this.#parts;
    const event = isFull ? "disk:full" : "disk:recovered";
    if (events.isHeard(event)) events.emit(event, { freeBytes: this.#usage?.freeBytes ?? 0 });
    else if (isFull) logger.warn(`the disk is full: ${this.#reason()}`);
    else logger.info(`the disk has room again: ${this.#free()}`);
  }

  /** RocketMQ's words, as its log and its index lie on the same disk. Source: `broker/.../processor/SendMessageProcessor.java`, `diskUtil`. */
  #refusal(): MqError {
    const percent = this.#usage === undefined ? 0 : usedPercent(this.#usage);
    const ratio = (percent / 100).toFixed(2).padStart(5);
    return new MqError(
      "ERR_MQ_SERVICE_NOT_AVAILABLE",
      "service not available now. It may be caused by one of the following reasons: " +
        `the broker's disk is full [CL: ${ratio} CQ: ${ratio} INDEX: ${ratio}], messages are put to the slave, message store has been shut down, etc. ` +
        `Here it is the disk: ${this.#reason()}`,
    );
  }

  /** And what to do. */
  #reason(): string {
    const { settings, space } = this.#parts;
    if (this.#state === "tight")
      return `SQLite has no room for more although ${this.#free()}; is there a quota, or a max_page_count? Sends are tried all the same`;
    if (this.#isAboveStep) {
      const percent = this.#usage === undefined ? 0 : usedPercent(this.#usage);
      return `${percent} % of the disk of ${space.folder} are in use, and above ${FULL_PERCENT} % sends are refused, until it is ${FORCE_PERCENT} % or less. Make room there`;
    }
    return `${this.#free()}, less than retention.minFreeBytes, ${formatBytes(settings.minFreeBytes)}. Make room there, or set less (0: sends are never refused)`;
  }

  #free(): string {
    const { folder } = this.#parts.space;
    return this.#usage === undefined
      ? `nobody knows how much is free in ${folder}`
      : `${formatBytes(this.#usage.freeBytes)} are free in ${folder}`;
  }
}

function atOnce(tell: () => void): void {
  tell();
}

function formatBytes(bytes: number): string {
  const mib = bytes / (1024 * 1024);
  return mib < 1 ? `${bytes} bytes` : `${Number(mib.toFixed(1))} MiB`;
}
