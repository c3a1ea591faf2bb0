import type { Broker, MessageView } from "../index.js";
import { browseTopic } from "./browse-topic.js";
import { LATE } from "./demo-names.js";
import type { LateRecords } from "./late-records.js";
import { type LateRule, numberInMessage } from "./late-rule.js";
import { RowSet } from "./row-set.js";
import { rowOf } from "./run-mark.js";
import { TagCounts } from "./tag-counts.js";

/** Where the late ones end. */
export const DEAD_LETTERS: string = `%DLQ%${LATE.group}`;

/** What failed at last has failed at each of its deliveries. */
export const FAILURES: number = LATE.maxReconsumeTimes + 1;

/** A message of the dead-letter queue. */
export interface DeadLetter {
  readonly messageId: string;
  readonly key: string;
  readonly tag: string | undefined;
  /** The number for which it was late. */
  readonly value: number | undefined;
  readonly reconsumeTimes: number;
}

/** Any number can be late; so many of a run are kept for the list, and the newest of earlier ones. */
const LISTED = 1_000;
const LISTED_OF_EARLIER_RUNS = 10;

/** What is in the dead-letter queue, compared with what should be there of one run. */
export class DeadLetters {
  readonly field: string;
  readonly expected: TagCounts;
  /** Of the run, each one that is there. */
  readonly counted: TagCounts = new TagCounts();
  readonly #late: RowSet;
  readonly #rows = new RowSet();
  readonly #listed: { readonly row: number; readonly letter: DeadLetter }[] = [];
  #repeated = 0;
  #unexpected = 0;
  #miscounted = 0;
  #earlier: DeadLetter[] = [];
  #ofEarlierRuns = 0;

  constructor(field: string, late: LateRecords) {
    this.field = field;
    this.expected = late.tags;
    this.#late = late.rows;
  }

  /** Of the run, by their rows; no more than 1,000. */
  get listed(): readonly DeadLetter[] {
    return [...this.#listed].sort((a, b) => a.row - b.row).map(({ letter }) => letter);
  }

  /** Late records that are not there. */
  get missing(): number {
    return this.#late.size - this.#rows.size;
  }

  /** Letters of a record that has another one. */
  get repeated(): number {
    return this.#repeated;
  }

  /** Letters of records that are not late. */
  get unexpected(): number {
    return this.#unexpected;
  }

  /** Letters that did not fail as often as they should. */
  get miscounted(): number {
    return this.#miscounted;
  }

  get ofEarlierRuns(): number {
    return this.#ofEarlierRuns;
  }

  /** The newest of them. */
  get listedOfEarlierRuns(): readonly DeadLetter[] {
    return this.#earlier;
  }

  get isRight(): boolean {
    const isEachThereOnce = this.missing === 0 && this.#repeated === 0 && this.#unexpected === 0;
    return isEachThereOnce && this.#miscounted === 0 && this.counted.differences(this.expected).length === 0;
  }

  /** @param row - `undefined` for one of another run. */
  add(letter: DeadLetter, row: number | undefined, bytes: number): void {
    if (row === undefined) {
      this.#ofEarlierRuns += 1;
      this.#earlier = [...this.#earlier, letter].slice(-LISTED_OF_EARLIER_RUNS);
      return;
    }
    this.counted.add(letter.tag, bytes);
    if (!this.#late.has(row)) this.#unexpected += 1;
    else if (!this.#rows.add(row)) this.#repeated += 1;
    if (letter.reconsumeTimes !== FAILURES) this.#miscounted += 1;
    if (this.#listed.length < LISTED) this.#listed.push({ row, letter });
  }
}

/** Looks through the dead-letter queue. */
export async function readDeadLetters(
  mq: Broker,
  { field }: LateRule,
  run: string,
  late: LateRecords,
): Promise<DeadLetters> {
  const letters = new DeadLetters(field, late);
  for await (const message of browseTopic(mq, DEAD_LETTERS)) {
    letters.add(toDeadLetter(message, field), rowOf(message, run), message.body.length);
  }
  return letters;
}

function toDeadLetter(message: MessageView, field: string): DeadLetter {
  const { messageId, keys, tag, reconsumeTimes } = message;
  return { messageId, key: keys.join(" "), tag, value: numberInMessage(message, field), reconsumeTimes };
}
