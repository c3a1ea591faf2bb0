import { isMqError } from "../errors.js";
import type { TopicRoute } from "./broker-port.js";
import type { Engine } from "./engine.js";

/** Looks up routes for clients. */
export class RouteLookup {
  readonly #engine: Engine;
  /** A route could not be read now. */
  readonly #onUnread: () => void;

  constructor(engine: Engine, onUnread: () => void) {
    this.#engine = engine;
    this.#onUnread = onUnread;
  }

  /** As {@link BrokerPort.getRoute}; while another connection keeps readers out the one that was known last, which an append checks. */
  get(topic: string): TopicRoute {
    const { topics } = this.#engine;
    try {
      return this.#engine.reads.readNow(() => topics.getRoute(topic));
    } catch (error) {
      const last = isMqError(error, "ERR_MQ_SYSTEM_BUSY") ? topics.findLastRoute(topic) : undefined;
      if (last === undefined) throw error;
      return last;
    }
  }

  find(topic: string): TopicRoute | undefined {
    const { topics } = this.#engine;
    try {
      // With a rollback journal a read on a connection of the owner's costs three pragmas.
      return topics.findCachedRoute(topic) ?? this.#engine.reads.readNow(() => topics.findRoute(topic));
    } catch (error) {
      this.#onUnread();
      throw error;
    }
  }

  /** Once it can be read. */
  query(topic: string): Promise<TopicRoute> {
    const { topics } = this.#engine;
    return this.#engine.reads.read(() => topics.findRoute(topics.get(topic).topic) as TopicRoute);
  }
}
