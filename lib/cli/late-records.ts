import type { Broker } from "../index.js";
import { browseTopic } from "./browse-topic.js";
import { isLate, type LateRule, numberInMessage } from "./late-rule.js";
import { RowSet } from "./row-set.js";
import { rowOf } from "./run-mark.js";
import { TagCounts } from "./tag-counts.js";

/** The late records of a run, by row and counted by tag. */
export class LateRecords {
  readonly rows: RowSet = new RowSet();
  readonly tags: TagCounts = new TagCounts();

  add(row: number, tag: string | undefined, bytes: number): void {
    this.rows.add(row);
    this.tags.add(tag, bytes);
  }
}

/** Those that a run has stored in a topic. */
export async function findLateRecords(mq: Broker, topic: string, run: string, rule: LateRule): Promise<LateRecords> {
  const late = new LateRecords();
  for await (const message of browseTopic(mq, topic)) {
    const row = rowOf(message, run);
    if (row !== undefined && isLate(numberInMessage(message, rule.field), rule))
      late.add(row, message.tag, message.body.length);
  }
  return late;
}
