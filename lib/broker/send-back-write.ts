import type { SendBackObserver, WithdrawableWrite } from "./broker-port.js";
import type { GroupCommit } from "./group-commit.js";
import type { Write } from "./pending-writes.js";
import type { SendBack, SendBackOutcome, SendBackRequest } from "./send-back.js";

/** A message takes so much of a flush: its copy is encoded, and two rows are written. */
const COST = 4;

/** Messages that wait to be sent back with the next group commit: all of them or none. */
export class SendBackWrite implements Write, WithdrawableWrite {
  readonly bytes: number;
  readonly deadline: number;
  readonly #request: SendBackRequest;
  readonly #observer: SendBackObserver;
  readonly #sendBack: SendBack;
  readonly #commits: GroupCommit;
  readonly #now: () => number;
  #outcomes: readonly SendBackOutcome[] = [];

  constructor(
    request: SendBackRequest,
    observer: SendBackObserver,
    deadline: number,
    sendBack: SendBack,
    commits: GroupCommit,
    now: () => number,
  ) {
    this.#request = request;
    this.#observer = observer;
    this.deadline = deadline;
    this.#sendBack = sendBack;
    this.#commits = commits;
    this.#now = now;
    this.bytes = request.messages.reduce((sum, { storeSize }) => sum + storeSize, 0);
  }

  cost(): number {
    return COST * this.#request.messages.length;
  }

  apply(): void {
    this.#outcomes = this.#sendBack.apply(this.#request, this.#now());
  }

  committed(): void {
    this.#observer.sentBack(this.#outcomes);
  }

  failed(error: unknown): void {
    this.#observer.failed(error);
  }

  withdraw(): boolean {
    return this.#commits.withdraw(this);
  }
}
