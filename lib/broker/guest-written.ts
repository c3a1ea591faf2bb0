import { toMqError } from "../store/sqlite-error.js";
import type { Store } from "../store/store.js";
import type { EventHub } from "./broker-events.js";
import type { WrittenBlock } from "./log-appender.js";

export interface GuestWrittenParts {
  readonly store: Store;
  readonly events: EventHub;
  /** Runs as soon as a read sees committed rows only. */
  readonly read: (work: () => void) => Promise<void>;
  /** These blocks were committed. */
  readonly stored: (written: readonly WrittenBlock[]) => void;
}

/** What was written inside transactions of the connection's owner, where somebody wants to hear of it, until it shows whether they were committed. */
export class GuestWritten {
  readonly #parts: GuestWrittenParts;
  #written: WrittenBlock[] = [];

  constructor(parts: GuestWrittenParts) {
    this.#parts = parts;
  }

  add(written: readonly WrittenBlock[]): void {
    if (this.#parts.events.isHeard("message:stored")) this.#written.push(...written);
  }

  /** The transaction is over: tells of what was not rolled back. */
  ended(): void {
    const written = this.#written;
    this.#written = [];
    if (written.length === 0) return;
    const { events, read, stored } = this.#parts;
    void read(() => stored(written.filter((block) => this.#isStored(block)))).catch((error: unknown) =>
      events.error(toMqError(error, "looking whether a transaction of the owner's was committed")),
    );
  }

  #isStored({ block }: WrittenBlock): boolean {
    const stored = this.#parts.store.log.findFrom(block.queueKey, block.firstOffset);
    return stored?.commitLogOffset === block.commitLogOffset && stored.records.equals(block.records);
  }
}
