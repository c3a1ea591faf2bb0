import type { EngineRow } from "../store/engine-table.js";
import type { Store } from "../store/store.js";
import { MemberRows, type MemberRowsHooks } from "./member-rows.js";
import { Processes } from "./process-identity.js";
import { QueueClaims, type QueueClaimsHooks } from "./queue-claims.js";

export interface CompanyOptions extends QueueClaimsHooks, MemberRowsHooks {
  readonly store: Store;
  readonly leaseMs: number;
  /** Whether an engine of this thread has the row of this key. */
  readonly isOpenHere: (engineKey: number) => boolean;
}

/** What this engine stores for other engines on the file, with whatever commit comes next: its members, and which queues they have. */
export class Company {
  readonly #processes = new Processes();
  readonly #isOpenHere: (engineKey: number) => boolean;
  readonly claims: QueueClaims;
  readonly memberRows: MemberRows;

  constructor(options: CompanyOptions) {
    const { store, leaseMs } = options;
    this.#isOpenHere = options.isOpenHere;
    this.claims = new QueueClaims(store, this.#processes.own, leaseMs, options);
    this.memberRows = new MemberRows(store, this.claims, options);
  }

  /** Provably: its process is no more, or this thread has closed it, without being able to store that. */
  isGone(engine: EngineRow): boolean {
    if (this.#processes.isOwn(engine)) return !this.#isOpenHere(engine.engineKey);
    return this.#processes.isGone(engine);
  }

  get hasPending(): boolean {
    return this.memberRows.hasPending || this.claims.hasPending;
  }

  /** Inside a transaction, after the offsets. */
  write(): void {
    this.memberRows.write();
    this.claims.write();
  }

  committed(): void {
    this.memberRows.committed();
    this.claims.committed();
  }
}
