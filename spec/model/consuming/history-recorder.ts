import { checkHistory, type GoneClient, type HistoryEvent, type StoredOffset } from "../../../lib/testing/index.js";
import type { Delivered } from "./hold.js";
import type { Machine } from "./machine.js";
import { type SentMessage, TOPIC } from "./message-book.js";

/** What is expected of the history of a group besides. */
export interface GroupHistoryRules {
  readonly isOrdered: boolean;
  readonly areDuplicatesForbidden: boolean;
  /** Whether progress passes nothing that is not acknowledged. */
  readonly isProgressHeld: boolean;
}

interface Entry extends Pick<HistoryEvent, "at" | "state" | "group" | "clientId" | "deliveryAttempt" | "dueAt"> {
  readonly message: SentMessage;
  /** Whether it happened after all. */
  isCertain: boolean;
}

/** Writes down what happens to each message, for the checker that applications have. Its time never goes back. */
export class HistoryRecorder {
  readonly #machine: Machine;
  readonly #entries: Entry[] = [];
  readonly #gone: GoneClient[] = [];
  readonly #offsets: StoredOffset[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Where it will lie is not known yet. */
  sent(message: SentMessage): void {
    this.#add(message, "stored");
  }

  delivered(group: string, clientId: string, { message, deliveryAttempt }: Delivered): void {
    this.#add(message, "delivered", { group, clientId, deliveryAttempt });
  }

  consumed(group: string, clientId: string, { message, deliveryAttempt }: Delivered): void {
    this.#add(message, "consumed", { group, clientId, deliveryAttempt });
  }

  retried(group: string, message: SentMessage, deliveryAttempt: number, dueAt: number): void {
    const { elapsed, now } = this.#machine;
    this.#add(message, "retried", { group, deliveryAttempt, dueAt: elapsed + dueAt - now });
  }

  /** It is to go to the dead letters. @returns what is to be called when it has: that is told after what follows from it. */
  dies(group: string, message: SentMessage): () => void {
    const entry = this.#add(message, "dead-lettered", { group, isCertain: false });
    return () => {
      entry.isCertain = true;
    };
  }

  /** What the client has in hand may be another's from now on. */
  gone(clientId: string, at: number = this.#machine.elapsed): void {
    this.#gone.push({ clientId, at });
  }

  progress(group: string, topic: string, queueId: number, nextOffset: number): void {
    if (topic === TOPIC) this.#offsets.push({ group, topic, queueId, nextOffset, at: this.#machine.elapsed });
  }

  findProblems(group: string, rules: GroupHistoryRules): readonly string[] {
    const entries = this.#entries.filter(({ message, isCertain }) => isCertain && message.messageId !== undefined);
    const ofGroup = entries.filter((entry) => entry.group === undefined || entry.group === group);
    return checkHistory(ofGroup.map(toEvent), {
      ordered: rules.isOrdered ? [TOPIC] : [],
      duplicates: rules.areDuplicatesForbidden ? "forbidden" : "allowed",
      excuseGone: true,
      gone: this.#gone,
      offsets: rules.isProgressHeld ? this.#offsets.filter((offset) => offset.group === group) : [],
      isFor: ({ tag }) => tag !== "z",
    });
  }

  #add(message: SentMessage, state: HistoryEvent["state"], more: Partial<Entry> = {}): Entry {
    const entry = { at: this.#machine.elapsed, state, message, isCertain: true, ...more };
    this.#entries.push(entry);
    return entry;
  }
}

function toEvent({ message, isCertain: _, ...event }: Entry): HistoryEvent {
  const { messageId = "", queueId, queueOffset, tag } = message;
  return { ...event, messageId, topic: TOPIC, queueId, queueOffset, tag, keys: [] };
}
