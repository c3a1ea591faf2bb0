import type { MqError } from "../errors.js";
import type { GroupMember } from "./broker-port.js";
import type { MovedHalves } from "./check-schedule.js";
import type { WrittenBlock } from "./log-appender.js";

/** Who is told what became visible. */
export interface EngineListener {
  /** These blocks were committed by this engine, and whether topics were. */
  committed(written: readonly WrittenBlock[], topicsChanged: boolean): void;
  /** These blocks were committed, by this engine or with a transaction of the connection's owner: before anybody else is told. */
  stored(written: readonly WrittenBlock[]): void;
  /** Half messages were counted that are to be asked for, and others given up. */
  halvesMoved(moved: MovedHalves): void;
  /** A transaction could not be made. */
  failed(error: unknown): void;
  /** Somebody else has committed: another process or engine, or the owner of the connection. Only to be noted: it may come within a transaction. */
  foreignCommitSeen(): void;
  /** Another engine of this process says that it has committed to the same file. */
  lookSoon(): void;
  /** Queues of these groups are this engine's now. */
  queuesGranted(groups: ReadonlySet<string>): void;
  /** Members that take part here. */
  listMembers(): readonly GroupMember[];
  /** The registration of this member is stored. */
  memberRegistered(member: GroupMember, registration: number): void;
  /** This member cannot be beside one in another process. */
  memberRefused(member: GroupMember, error: MqError): void;
}
