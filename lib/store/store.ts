import { BroadcastOffsetTable } from "./broadcast-offset-table.js";
import { ClaimTable } from "./claim-table.js";
import { ConsumeOffsetTable } from "./consume-offset-table.js";
import { DedupTable } from "./dedup-table.js";
import { DueTable } from "./due-table.js";
import { EngineTable } from "./engine-table.js";
import { GroupTable } from "./group-table.js";
import { HalfTable } from "./half-table.js";
import { LogTable } from "./log-table.js";
import { MemberTable } from "./member-table.js";
import { MetaTable } from "./meta-table.js";
import { PopOrderTable } from "./pop-order-table.js";
import { PopTable } from "./pop-table.js";
import { QueueTable } from "./queue-table.js";
import { SentBackTable } from "./sent-back-table.js";
import type { SqliteConnection } from "./sqlite.js";
import { SubscriptionTable } from "./subscription-table.js";
import { TopicTable } from "./topic-table.js";

/** The tables of one migrated database, each with its statements prepared once. Synchronous; transactions belong to the caller. */
export class Store {
  readonly connection: SqliteConnection;
  readonly meta: MetaTable;
  readonly topics: TopicTable;
  readonly queues: QueueTable;
  readonly log: LogTable;
  readonly groups: GroupTable;
  readonly subscriptions: SubscriptionTable;
  readonly consumeOffsets: ConsumeOffsetTable;
  readonly broadcastOffsets: BroadcastOffsetTable;
  readonly due: DueTable;
  readonly halves: HalfTable;
  readonly dedup: DedupTable;
  readonly sentBack: SentBackTable;
  readonly pops: PopTable;
  readonly popOrders: PopOrderTable;
  readonly engines: EngineTable;
  readonly members: MemberTable;
  readonly claims: ClaimTable;

  constructor(connection: SqliteConnection) {
    this.connection = connection;
    this.meta = new MetaTable(connection);
    this.topics = new TopicTable(connection);
    this.queues = new QueueTable(connection);
    this.log = new LogTable(connection);
    this.groups = new GroupTable(connection);
    this.subscriptions = new SubscriptionTable(connection);
    this.consumeOffsets = new ConsumeOffsetTable(connection);
    this.broadcastOffsets = new BroadcastOffsetTable(connection);
    this.due = new DueTable(connection);
    this.halves = new HalfTable(connection);
    this.dedup = new DedupTable(connection);
    this.sentBack = new SentBackTable(connection);
    this.pops = new PopTable(connection);
    this.popOrders = new PopOrderTable(connection);
    this.engines = new EngineTable(connection);
    this.members = new MemberTable(connection);
    this.claims = new ClaimTable(connection);
  }
}
