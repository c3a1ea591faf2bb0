import { MqError } from "../errors.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { WireConnection } from "./wire-connection.js";

/** A client of RocketMQ has one connection to a broker for all of its groups: some, seldom some dozens. */
export const MAX_ROLES = 1_000;

/** As what clients take part through each connection, by keys: bounded, so that no connection takes memory without end. */
export class ConnectionRoles {
  readonly #roles = new Map<WireConnection, Set<string>>();

  of(connection: WireConnection): readonly string[] {
    return [...(this.#roles.get(connection) ?? [])];
  }

  /** @throws MqError `ERR_MQ_INVALID_ARGUMENT` (1) when the connection has {@link MAX_ROLES}. */
  add(connection: WireConnection, key: string): void {
    const roles = this.#roles.get(connection) ?? new Set();
    if (roles.size >= MAX_ROLES && !roles.has(key))
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `a connection has at most ${MAX_ROLES} consumers and as many producers`,
        {
          responseCode: RESPONSE_CODES.SYSTEM_ERROR,
        },
      );
    this.#roles.set(connection, roles.add(key));
  }

  delete(connection: WireConnection, key: string): void {
    const roles = this.#roles.get(connection);
    if (roles?.delete(key) === true && roles.size === 0) this.#roles.delete(connection);
  }
}
