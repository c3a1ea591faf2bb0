import type { BrokerEvents } from "../../../lib/index.js";
import type { Call, Delivered, ModelMember } from "./hold.js";
import type { Machine } from "./machine.js";
import type { MessageBook, SentMessage } from "./message-book.js";
import type { Ended, Outcome } from "./outcome.js";
import type { ProcessTrust } from "./process-trust.js";

export type Retried = Parameters<BrokerEvents["message:retried"]>[0];
export type DeadLettered = Parameters<BrokerEvents["message:deadLettered"]>[0];

/** What the model of a group knows of the world, and tells it. */
export interface GroupSurroundings {
  readonly machine: Machine;
  readonly book: MessageBook;
  /** Nobody but this process is at the store. */
  readonly isAlone: boolean;
  readonly broken: (rule: string) => void;
  /** A message is to go to the dead letters. Returns what is to be called when it has. */
  readonly dies: (message: SentMessage) => () => void;
  /** The queues are shared anew: what the member had in hand may be another's from now on. */
  readonly shared: (clientId: string) => void;
}

/** Progress is stored within 50 ms, and who waits hears of everything in this process; what another one does is known within a second. */
export const EXPECTED_WITHIN_MS = { own: 60, others: 1_000 } as const;
export type ExpectedWithinMs = (typeof EXPECTED_WITHIN_MS)[keyof typeof EXPECTED_WITHIN_MS];

/** What a run was like, over all queues of a group. */
export interface GroupCounts {
  readonly deliveries: number;
  readonly repeats: number;
  readonly ignoredResults: number;
  readonly dead: number;
}

/** What a consumer group may do. It is told of everything that happens to it, as it happens; queues go by the name "topic id". */
export interface GroupModel {
  readonly group: string;
  /** Whether failed attempts are counted in the store, and so for all members. */
  readonly isAttemptStored: boolean;
  readonly counts: GroupCounts;
  readonly dead: readonly SentMessage[];

  joined(member: ModelMember): void;
  /** What it had of the topic it drops, and may take again. */
  renewed(member: ModelMember): void;
  unsubscribed(member: ModelMember): void;
  /** It has dropped its queues. */
  dropped(member: ModelMember): void;
  /** It takes part no more. */
  left(member: ModelMember): void;
  /** @param storedIn - the progress of a queue that is stored. */
  killed(process: ProcessTrust, storedIn: (queue: string) => number): void;

  retried(event: Retried): void;
  deadLettered(event: DeadLettered): void;

  /** This progress is stored. */
  progressed(queue: string, nextOffset: number): void;
  /** @returns what is to be called so much later: it checks what must have happened by then. */
  expectWithin(ms: ExpectedWithinMs): () => void;
  /** What was not delivered yet, or not decided though it was. */
  undelivered(): readonly string[];
  /** What is not done yet. */
  unfinished(): readonly string[];
}

/** One whose members have listeners. */
export interface ListeningGroupModel extends GroupModel {
  /** How listeners end when all that is left is to be consumed. */
  readonly lastOutcome: Outcome;
  /** A listener is called. */
  delivered(member: ModelMember, queue: string, batch: readonly Delivered[]): Call;
  /** It ends. */
  returned(call: Call, ended: Ended): void;
  /** Its signal says that it takes too long. */
  timedOut(call: Call): void;
  /** How many messages of a call the listener takes for consumed: the first ones. */
  countConsumed(ended: Ended, size: number): number;
}
