import type { Logger } from "../logger.js";
import type { StoreHost } from "../message/message-view.js";
import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import type { SteadyClock } from "../time/steady-clock.js";
import type { EventHub } from "./broker-events.js";
import type { TransactionSettings } from "./check-schedule.js";
import type { DiskSettings } from "./disk-guard.js";
import type { Profile } from "./profile.js";
import type { RetentionSettings } from "./retention.js";

/** What a broker works with, checked and complete. */
export interface ResolvedBrokerSettings {
  readonly profile: Profile;
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
  readonly autoCreateTopic: boolean;
  readonly autoCreateGroup: boolean;
  readonly defaultQueueCount: number;
  /** Of each delay level, level 1 first. */
  readonly delayLevelsMs: readonly number[];
  readonly retention: RetentionSettings;
  readonly disk: DiskSettings;
  readonly transaction: TransactionSettings;
  readonly recallMessageEnable: boolean;
  readonly busyTimeoutMs: number;
  readonly leaseMs: number;
  /** For moments: what is stored, or told to somebody. */
  readonly clock: Clock;
  /** For how long something in this process takes. */
  readonly steady: SteadyClock;
  readonly chance: Chance;
  readonly logger: Logger;
}

/** What a broker does not bring with it. */
export interface BrokerSurroundings {
  /** Of a broker before it, whose listeners stay. */
  readonly events?: EventHub | undefined;
  /** Whether the disk of the machine counts. @defaultValue true */
  readonly watchesDisk?: boolean | undefined;
}
