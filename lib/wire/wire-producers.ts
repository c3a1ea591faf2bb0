import type { BrokerPort, HalfMessage, TransactionChecker } from "../broker/broker-port.js";
import { StoredMessageView } from "../message/message-view.js";
import { encodeOffsetMessageId } from "../message/offset-message-id.js";
import { ConnectionRoles } from "./connection-roles.js";
import { encodeView } from "./encode-view.js";
import { REQUEST_CODES } from "./request-codes.js";
import { HALF_LOG_OFFSET } from "./send-requests.js";
import type { MessageHost } from "./stored-message.js";
import type { WireConnection } from "./wire-connection.js";

export interface ProducersParts {
  readonly port: Pick<BrokerPort, "brokerName" | "clusterName" | "registerChecker" | "unregisterChecker">;
  /** Where the client of this connection reaches the broker. */
  readonly hostFor: (connection: WireConnection) => MessageHost;
}

/** How many checks are sent to a client in one go. */
const ROOM = 100;
/** RocketMQ has half messages in this topic. */
const HALF_TOPIC = "RMQ_SYS_TRANS_HALF_TOPIC";

/**
 * The producers behind connections, which are asked what became of their groups' transactions. They answer, if they do, with a request of their own.
 *
 * Source: RocketMQ 5.3.3, `broker/.../client/ProducerManager.java`; `broker/.../transaction/AbstractTransactionalMessageCheckListener.java`, `broker/.../client/net/Broker2Client.java`.
 */
export class WireProducers {
  readonly #parts: ProducersParts;
  /** By group and client id. */
  readonly #producers = new Map<string, WireProducer>();
  readonly #roles = new ConnectionRoles();

  constructor(parts: ProducersParts) {
    this.#parts = parts;
  }

  heard(clientId: string, group: string, connection: WireConnection): void {
    const key = keyOf(group, clientId);
    if (connection.isClosed || this.#producers.get(key)?.connection === connection) return;
    this.#leave(key);
    this.#roles.add(connection, key);
    const producer = new WireProducer(group, connection, this.#parts);
    this.#producers.set(key, producer);
    this.#parts.port.registerChecker(producer);
  }

  left(group: string, clientId: string): void {
    this.#leave(keyOf(group, clientId));
  }

  /** Its clients are asked no more. */
  closed(connection: WireConnection): void {
    for (const key of this.#roles.of(connection)) this.#leave(key);
  }

  #leave(key: string): void {
    const producer = this.#producers.get(key);
    if (producer === undefined) return;
    this.#producers.delete(key);
    this.#roles.delete(producer.connection, key);
    this.#parts.port.unregisterChecker(producer);
  }
}

class WireProducer implements TransactionChecker {
  readonly producerGroup: string;
  readonly connection: WireConnection;
  readonly room: number = ROOM;
  readonly #parts: ProducersParts;

  constructor(producerGroup: string, connection: WireConnection, parts: ProducersParts) {
    this.producerGroup = producerGroup;
    this.connection = connection;
    this.#parts = parts;
  }

  async check({ topic, queueId, halfOffset, transactionId, record, storedAt }: HalfMessage): Promise<undefined> {
    const { port, hostFor } = this.#parts;
    const { brokerName, clusterName } = port;
    const host = hostFor(this.connection);
    const commitLogOffset = HALF_LOG_OFFSET + halfOffset;
    const block = { records: record, commitLogOffset, storeTimestamp: storedAt };
    const view = new StoredMessageView(
      { topic, queueId, brokerName, clusterName, storeHost: host },
      block,
      0,
      halfOffset,
    );
    this.connection.tell({
      code: REQUEST_CODES.CHECK_TRANSACTION_STATE,
      fields: new Map([
        ["bname", brokerName],
        ["commitLogOffset", `${commitLogOffset}`],
        ["topic", HALF_TOPIC],
        ["msgId", transactionId],
        ["tranStateTableOffset", `${halfOffset}`],
        ["offsetMsgId", encodeOffsetMessageId(host.host, host.port, commitLogOffset)],
        ["transactionId", transactionId],
      ]),
      body: encodeView(view, { topic, host, clusterName }),
    });
  }
}

function keyOf(group: string, clientId: string): string {
  return `${group}\n${clientId}`;
}
