import {
  COMMITTED,
  createTopic,
  endTransaction,
  heartbeat,
  isFound,
  PREPARED,
  pull,
  ROLLED_BACK,
  send,
  uniqueId,
} from "../requests.mjs";

const [UNKNOWN, GROUP] = [0, "df-transactions"];

/** Born now: RocketMQ does not check what is older than three days. */
function half(topic, body, id, { group = GROUP, ...changes } = {}) {
  const values = { TRAN_MSG: "true", UNIQ_KEY: uniqueId(id), WAIT: "true", PGROUP: group };
  return send(topic, body, values, { a: group, f: PREPARED, g: Date.now(), ...changes });
}

export const transactions = {
  name: "transactions",
  async play({ open }) {
    const client = await open();
    const topic = "DfTransactions";
    const end = (sent, how, changes) => endTransaction(sent, how, { producerGroup: GROUP, ...changes });
    await client.ask("the topic", createTopic(topic, 1));
    const first = await client.quietly(half(topic, "committed", 1));
    await client.ask("what is not committed is not there", pull("df-tx", topic));
    await client.ask("committed", end(first, COMMITTED));
    await client.until("is there", pull("df-tx", topic), isFound);
    const second = await client.quietly(half(topic, "rolled back", 2, { e: 0 }));
    await client.ask("rolled back", end(second, ROLLED_BACK));
    const third = await client.quietly(half(topic, "of another", 3));
    await client.ask("by another group", end(third, COMMITTED, { producerGroup: "df-others" }));
    await client.unanswered("with an unknown state", end(third, UNKNOWN));
    await client.ask("with a state that is none", end(third, 3));
    await client.ask("of a place where nothing is", end(third, COMMITTED, { commitLogOffset: "999999999999" }));
    await client.ask("of another place of its queue", end(third, COMMITTED, { tranStateTableOffset: 77 }));
    await client.ask("without a place", end(third, COMMITTED, { commitLogOffset: undefined }));
    await client.ask("without a state", end(third, COMMITTED, { commitOrRollback: undefined }));
    await client.ask("of a state that is no number", end(third, COMMITTED, { commitOrRollback: "x" }));
    await client.ask("at last", end(third, COMMITTED));
    await client.until("is there at last", pull("df-tx", topic, { queueOffset: 1 }), isFound);
    await client.ask("to a queue beyond", half(topic, "x", 4, { e: 9 }));
    await client.ask("to an unknown topic", half("DfTransactionsNew", "x", 5, { c: "DfNoTemplate" }));
  },
};

export const checks = {
  name: "checks",
  async play({ open }) {
    const client = await open();
    const [topic, group] = ["DfChecks", "df-checks"];
    await client.ask("the topic", createTopic(topic, 1));
    await client.ask("who is asked", heartbeat("df@tx", { producers: [group] }));
    await client.quietly(half(topic, "open", 1, { group }));
    const [check] = await client.pushed("what it is asked", 1);
    const fields = Object.fromEntries(check.fields);
    const place = { commitLogOffset: fields.commitLogOffset, tranStateTableOffset: fields.tranStateTableOffset };
    const answer = { producerGroup: group, ...place, msgId: fields.msgId, transactionId: fields.transactionId };
    await client.unanswered("it does not know", {
      code: 37,
      fields: { ...answer, commitOrRollback: UNKNOWN, fromTransactionCheck: true },
    });
    await client.ask("what it answers", {
      code: 37,
      fields: { ...answer, commitOrRollback: COMMITTED, fromTransactionCheck: true },
    });
    await client.until("is there", pull("df-checks", topic), isFound);
  },
};
