import type { OpenedDatabase } from "../store/open-database.js";
import type { EventHub } from "./broker-events.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import type { Engine } from "./engine.js";

/** What a broker gives to those who look after its store. */
export interface BrokerParts {
  readonly engine: Engine;
  readonly settings: ResolvedBrokerSettings;
  readonly database: OpenedDatabase;
  readonly events: EventHub;
}
