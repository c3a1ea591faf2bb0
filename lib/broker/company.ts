import type { Store } from "../store/store.js";
import { MemberRows, type MemberRowsHooks } from "./member-rows.js";
import { Processes } from "./process-identity.js";
import { QueueClaims, type QueueClaimsHooks } from "./queue-claims.js";

export interface CompanyOptions extends QueueClaimsHooks, MemberRowsHooks {
  readonly store: Store;
  readonly leaseMs: number;
}

/** What this engine stores for other engines on the file, with whatever commit comes next: its members, and which queues they have. */
export class Company {
  readonly processes: Processes;
  readonly claims: QueueClaims;
  readonly memberRows: MemberRows;

  constructor(options: CompanyOptions) {
    const { store, leaseMs } = options;
    this.processes = new Processes();
    this.claims = new QueueClaims(store, this.processes.own, leaseMs, options);
    this.memberRows = new MemberRows(store, this.claims, options);
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
