import { MqError } from "../errors.js";
import { isGroupName } from "../message/names.js";
import { SYSTEM_GROUPS } from "../message/system-topics.js";
import type { GroupConfig } from "../store/group-table.js";
import type { Store } from "../store/store.js";
import { nearMisses } from "./near-misses.js";

/** What a group has that nobody configured. Source: RocketMQ, `remoting/.../subscription/SubscriptionGroupConfig.java`. */
export function defaultGroupConfig(group: string): GroupConfig {
  return {
    group,
    consumeEnable: true,
    consumeBroadcastEnable: true,
    consumeMessageOrderly: false,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    retryPolicy: undefined,
  };
}

/** Consumer group configurations, cached for one `data_version`. */
export class Groups {
  readonly #store: Store;
  readonly #autoCreate: boolean;
  readonly #configs = new Map<string, GroupConfig>();

  constructor(store: Store, autoCreate: boolean) {
    this.#store = store;
    this.#autoCreate = autoCreate;
  }

  drop(): void {
    this.#configs.clear();
  }

  find(group: string): GroupConfig | undefined {
    const known = this.#configs.get(group);
    if (known !== undefined) return known;
    const config = this.#store.groups.find(group) ?? (SYSTEM_GROUPS.has(group) ? defaultGroupConfig(group) : undefined);
    if (config !== undefined) this.#configs.set(group, config);
    return config;
  }

  get(group: string): GroupConfig {
    const config = this.find(group);
    if (config !== undefined) return config;
    const near = nearMisses(
      group,
      this.#store.groups.list().map((known) => known.group),
    );
    const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
    throw new MqError("ERR_MQ_GROUP_NOT_FOUND", `consumer group ${group} does not exist${hint}`);
  }

  list(): readonly GroupConfig[] {
    return this.#store.groups.list();
  }

  /** Inside a transaction. */
  put(config: GroupConfig): void {
    this.#store.groups.put(config);
    this.#configs.delete(config.group);
  }

  /** Inside a transaction: the group of a consumer that starts, created when that is allowed. */
  requireForConsumer(group: string): void {
    if (this.find(group) === undefined && this.#autoCreate && isGroupName(group)) this.put(defaultGroupConfig(group));
    else this.get(group);
  }
}
