import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort, EmbeddedBrokerPort } from "../broker/broker-port.js";
import type { Logger } from "../logger.js";
import type { UniqueIdGenerator } from "../message/unique-id.js";
import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import type { SteadyClock } from "../time/steady-clock.js";

/** What all clients of one broker share. */
export interface ClientContext<Port extends BrokerPort = BrokerPort> {
  readonly port: Port;
  /** For moments: what is stored, or told to somebody. */
  readonly clock: Clock;
  /** For how long something takes. */
  readonly steady: SteadyClock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly events: EventHub;
  readonly ids: UniqueIdGenerator;
  /** Address of this host, the first part of client ids. */
  readonly address: string;
}

/** The context of clients in the broker's own process. */
export type EmbeddedClientContext = ClientContext<EmbeddedBrokerPort>;
