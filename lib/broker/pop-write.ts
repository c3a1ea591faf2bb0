import type { WithdrawableWrite } from "./broker-port.js";
import type { Write } from "./pending-writes.js";
import type { PopMessage, PopOutcome, PopRequest } from "./pop-message.js";

/** A pop of 32 messages takes about so much of a flush. */
const COST = 40;

/** How one look of a pop ends: exactly one of the two is called, once, and not within the call that queues it. */
export interface PopLookObserver {
  looked(outcome: PopOutcome): void;
  failed(error: unknown): void;
}

export interface PopWriteParts {
  readonly popMessage: PopMessage;
  readonly deadline: number;
  readonly now: () => number;
  readonly withdraw: (write: Write) => boolean;
}

/** A pop that waits to look for messages with the next group commit. */
export class PopWrite implements Write, WithdrawableWrite {
  readonly bytes: number = 0;
  readonly #request: PopRequest;
  readonly #observer: PopLookObserver;
  readonly #parts: PopWriteParts;
  #outcome: PopOutcome | undefined;

  constructor(request: PopRequest, observer: PopLookObserver, parts: PopWriteParts) {
    this.#request = request;
    this.#observer = observer;
    this.#parts = parts;
  }

  get deadline(): number {
    return this.#parts.deadline;
  }

  cost(): number {
    return COST;
  }

  apply(): void {
    this.#outcome = this.#parts.popMessage.apply(this.#request, this.#parts.now());
  }

  committed(): void {
    if (this.#outcome !== undefined) this.#observer.looked(this.#outcome);
  }

  failed(error: unknown): void {
    this.#observer.failed(error);
  }

  withdraw(): boolean {
    return this.#parts.withdraw(this);
  }
}
