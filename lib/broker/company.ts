import type { EngineRow } from "../store/engine-table.js";
import type { Store } from "../store/store.js";
import { MemberRows, type MemberRowsHooks } from "./member-rows.js";
import { Processes } from "./process-identity.js";
import { QueueClaims, type QueueClaimsHooks } from "./queue-claims.js";

export interface CompanyOptions extends Omit<QueueClaimsHooks, "rowLost">, MemberRowsHooks {
  readonly store: Store;
  readonly leaseMs: number;
  /** Whether the engine of this token was closed in this thread. */
  readonly wasClosedHere: (token: number) => boolean;
}

/** What this engine stores for other engines on the file, with whatever commit comes next: its members, and which queues they have. */
export class Company {
  readonly #processes = new Processes();
  readonly #wasClosedHere: (token: number) => boolean;
  readonly claims: QueueClaims;
  readonly memberRows: MemberRows;

  constructor(options: CompanyOptions) {
    const { store, leaseMs } = options;
    this.#wasClosedHere = options.wasClosedHere;
    const rowLost = (): void => this.memberRows.compareSoon();
    this.claims = new QueueClaims(store, this.#processes.own, leaseMs, { ...options, rowLost });
    this.memberRows = new MemberRows(store, this.claims, (engine) => this.isGone(engine), options);
  }

  /** Provably: its process is no more, or this thread has closed it, without being able to store that. */
  isGone(engine: EngineRow): boolean {
    if (this.#processes.isOwn(engine)) return this.#wasClosedHere(engine.token);
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

  /** Another connection has committed, or what was written is undone. */
  drop(): void {
    this.memberRows.drop();
    this.claims.drop();
  }

  committed(): void {
    this.memberRows.committed();
    this.claims.committed();
  }
}
