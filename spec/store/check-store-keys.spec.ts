import { describe, expect, it } from "vitest";
import { problemsOf, storeWithMessages, withoutConstraints } from "./damaged-store.js";

/** Group 1 is billing. */
const KEYS = `
  INSERT INTO mq_dedup_group VALUES (1, 'billing');
  INSERT INTO mq_dedup VALUES (1, 'order-7', NULL, 1700000000000), (1, x'7F00000100017E4B7E4B00000000ABCD', 12, 1700000000000)`;

describe("checkStore", () => {
  it("finds nothing wrong with keys that are done, somebody's, or have expired", async () => {
    const database = await storeWithMessages();
    database.exec(KEYS);

    expect(problemsOf(database)).toEqual([]);
  });

  it.each<[damage: string, sql: string, problem: string]>([
    [
      "of a group that has no number",
      "INSERT INTO mq_dedup VALUES (2, 'a', NULL, 1)",
      "mq_dedup: a group that does not exist: 2",
    ],
    [
      "whose group does not exist",
      "UPDATE mq_dedup_group SET consumer_group = 'x'",
      "mq_dedup_group: a group that does not exist: x",
    ],
    ["that is empty", "INSERT INTO mq_dedup VALUES (1, '', NULL, 1)", "mq_dedup: illegal values: 1 ''"],
    [
      "of more than 255 bytes",
      "INSERT INTO mq_dedup VALUES (1, replace(hex(zeroblob(64)), '00', 'é') || replace(hex(zeroblob(64)), '00', 'é'), NULL, 1)",
      `mq_dedup: illegal values: 1 '${"é".repeat(128)}'`,
    ],
    ["that is a number", "INSERT INTO mq_dedup VALUES (1, 7, NULL, 1)", "mq_dedup: illegal values: 1 7"],
    [
      "that is half of a message id",
      "INSERT INTO mq_dedup VALUES (1, x'7F', NULL, 1)",
      "mq_dedup: illegal values: 1 X'7F'",
    ],
    [
      "that is a message id as text, which nobody would find",
      "INSERT INTO mq_dedup VALUES (1, '7F00000100017E4B7E4B00000000ABCD', NULL, 1)",
      "mq_dedup: illegal values: 1 '7F00000100017E4B7E4B00000000ABCD'",
    ],
    [
      "of an owner that nobody is",
      "UPDATE mq_dedup SET owner = 0 WHERE owner IS NULL",
      "mq_dedup: illegal values: 1 'order-7'",
    ],
    [
      "that expired before 1970",
      "UPDATE mq_dedup SET expires_at = -1 WHERE owner IS NULL",
      "mq_dedup: illegal values: 1 'order-7'",
    ],
  ])("finds a key %s", async (_damage, sql, problem) => {
    const database = await storeWithMessages();
    database.exec(`${KEYS}; ${sql}`);

    expect(problemsOf(database)).toEqual([problem]);
  });

  it("finds what the schema forbids in the table of keys", async () => {
    const database = await storeWithMessages();
    database.exec(KEYS);
    withoutConstraints(database, "mq_dedup", "UPDATE mq_dedup SET expires_at = NULL WHERE owner IS NULL");

    expect(problemsOf(database)[0]).toContain("NULL value in mq_dedup.expires_at");
  });
});
