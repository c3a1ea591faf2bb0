import type { EngineRow, EngineTable } from "../store/engine-table.js";
import type { Store } from "../store/store.js";
import { MemberRows, type MemberRowsHooks } from "./member-rows.js";
import { Processes } from "./process-identity.js";
import { QueueClaims, type QueueClaimsHooks } from "./queue-claims.js";

export interface CompanyOptions extends Omit<QueueClaimsHooks, "rowLost" | "isGone">, MemberRowsHooks {
  readonly store: Store;
  readonly leaseMs: number;
  /** Whether the engine of this token was closed in this thread. */
  readonly wasClosedHere: (token: number) => boolean;
}

/** What this engine stores for other engines on the file, with whatever commit comes next: its members, and which queues they have. */
export class Company {
  readonly #processes = new Processes();
  readonly #wasClosedHere: (token: number) => boolean;
  readonly #engines: EngineTable;
  readonly claims: QueueClaims;
  readonly memberRows: MemberRows;

  constructor(options: CompanyOptions) {
    const { store, leaseMs } = options;
    this.#engines = store.engines;
    this.#wasClosedHere = options.wasClosedHere;
    const rowLost = (): void => this.memberRows.compareSoon();
    const isGone = (engineKey: number): boolean => {
      const engine = this.#engines.find(engineKey);
      return engine === undefined || this.isGone(engine);
    };
    this.claims = new QueueClaims(store, this.#processes.own, leaseMs, { ...options, rowLost, isGone });
    this.memberRows = new MemberRows(store, this.claims, (engine) => this.isGone(engine), options);
  }

  /** Provably: its process is no more, or this thread has closed it, without being able to store that. */
  isGone(engine: EngineRow): boolean {
    if (this.#processes.isOwn(engine)) return this.#wasClosedHere(engine.token);
    return this.#processes.isGone(engine);
  }

  /** Inside a transaction: what those have left who are provably gone. Whoever has members finds that out by himself, with what follows from it. */
  removeGone(): void {
    this.claims.refresh();
    if (this.claims.engineKey !== undefined) return;
    for (const engine of this.#engines.list()) if (this.isGone(engine)) this.claims.removeEngine(engine.engineKey);
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
