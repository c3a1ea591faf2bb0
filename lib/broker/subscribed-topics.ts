import { isMqError } from "../errors.js";
import { toMqError } from "../store/sqlite-error.js";
import type { EventHub } from "./broker-events.js";
import type { GroupMember } from "./broker-port.js";
import type { Engine } from "./engine.js";

/** Notes which topics a clustering group has subscribed to, so that what it has not consumed there is kept. Instances of broadcasting groups have progress at once. */
export class SubscribedTopics {
  readonly #engine: Engine;
  readonly #events: EventHub;

  constructor(engine: Engine, events: EventHub) {
    this.#engine = engine;
    this.#events = events;
  }

  /** Inside a read: whether all of its topics are noted. */
  isComplete({ group, messageModel, subscriptions }: GroupMember): boolean {
    if (messageModel !== "clustering") return true;
    return [...subscriptions.keys()].every((topic) => this.#engine.store.subscriptions.has(topic, group));
  }

  /** Inside a transaction. */
  write({ group, messageModel, subscriptions }: GroupMember): void {
    if (messageModel !== "clustering") return;
    for (const topic of subscriptions.keys()) this.#engine.store.subscriptions.put(topic, group);
  }

  /** The member may have subscribed to more. */
  changed(member: GroupMember): void {
    this.#complete(member).catch((error: unknown) => {
      if (!isMqError(error, "ERR_MQ_CLOSED"))
        this.#events.error(toMqError(error, "noting what a group has subscribed to"));
    });
  }

  async #complete(member: GroupMember): Promise<void> {
    const isComplete = await this.#engine.reads.read(() => this.isComplete(member));
    if (!isComplete) await this.#engine.write(() => this.write(member));
  }
}
