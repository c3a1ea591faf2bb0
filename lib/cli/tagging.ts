import type { InputRecord } from "./record-input.js";

/** Fields can have any number of values, tags of a topic are few: values that turn up after this many make no tag. */
const MAX_TAGS = 10_000;

/** A tag is one label without control characters, and no operator of the tag expressions it shall be found by. */
const TAG = /^(?!\*$)(?!.*\|\|)\P{Cc}{1,127}$/u;

/**
 * Gives records their tags: the value of one field, where it is a text, a number or a boolean, without blanks around it.
 * A record whose field is missing, empty, longer than 127 characters or otherwise no label has no tag.
 */
export class Tagging {
  readonly field: string;
  readonly #tags = new Set<string>();

  constructor(field: string) {
    this.field = field;
  }

  tagOf({ fields }: InputRecord): string | undefined {
    const value = fields[this.field];
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
    const tag = String(value).trim();
    if (this.#tags.has(tag)) return tag;
    if (this.#tags.size === MAX_TAGS || !TAG.test(tag)) return undefined;
    this.#tags.add(tag);
    return tag;
  }
}

/**
 * The key of a message: origin, destination and digits of the date where the record has them, then its row, which makes
 * it unique; the same for the same input each time. `DTW-LAS-200101010047-1`, or `row-1` for other records.
 */
export function recordKey({ fields, row }: InputRecord): string {
  const { origin, destination, date } = fields as Readonly<Record<"origin" | "destination" | "date", unknown>>;
  const places = [origin, destination].filter((place) => typeof place === "string" && /^\w{1,32}$/.test(place));
  const digits = typeof date === "string" && date.length <= 40 ? date.replaceAll(/\D/g, "") : "";
  const parts = [...places, ...(digits === "" ? [] : [digits])];
  return `${parts.length === 0 ? "row" : parts.join("-")}-${row}`;
}
