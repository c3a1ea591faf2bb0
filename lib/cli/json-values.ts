import { CommandError } from "./command-error.js";
import type { InputRecord, RecordSplitter } from "./record-input.js";

/** A record is sent in one message, whose body may have 4 MiB; a line or an element without end must not fill the memory. */
export const MAX_RECORD_CHARS: number = 4 * 1024 * 1024;

/** NDJSON: one JSON value a line; blank lines are passed over. */
export class NdjsonSplitter implements RecordSplitter {
  #rest = "";
  #line = 0;
  #row = 0;

  push(text: string): readonly InputRecord[] {
    const records: InputRecord[] = [];
    let from = 0;
    // What is left of the chunk before has no line end.
    let end = text.indexOf("\n");
    while (end !== -1) {
      this.#take(this.#rest + text.slice(from, end), records);
      this.#rest = "";
      from = end + 1;
      end = text.indexOf("\n", from);
    }
    this.#rest += text.slice(from);
    if (this.#rest.length > MAX_RECORD_CHARS) throw tooLong(this.#line + 1);
    return records;
  }

  end(): readonly InputRecord[] {
    const records: InputRecord[] = [];
    this.#take(this.#rest, records);
    return records;
  }

  #take(line: string, records: InputRecord[]): void {
    this.#line += 1;
    const json = line.trim();
    if (json === "") return;
    this.#row += 1;
    records.push(jsonRecord(json, this.#row, this.#line));
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const LINE_FEED = 0x0a;

/**
 * The elements of one JSON array, however it is laid out.
 *
 * Only finds where elements end; `JSON.parse` then says whether what lies between is one.
 * ```
 * before ──[──▶ inside ──]──▶ after
 * ```
 */
export class JsonArraySplitter implements RecordSplitter {
  #state: "before" | "inside" | "after" = "before";
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #element = "";
  #line = 1;
  #elementLine = 1;
  #row = 0;

  push(text: string): readonly InputRecord[] {
    const records: InputRecord[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (char === LINE_FEED) this.#line += 1;
      if (this.#state !== "inside") {
        this.#outside(char, text, at);
        from = at + 1;
      } else if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (char === BACKSLASH) this.#isEscaped = true;
        else if (char === QUOTE) this.#isInString = false;
      } else if (char === QUOTE) {
        this.#isInString = true;
      } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
        this.#depth += 1;
      } else if (this.#depth > 0) {
        if (char === CLOSE_BRACE || char === CLOSE_BRACKET) this.#depth -= 1;
      } else if (char === COMMA || char === CLOSE_BRACKET) {
        this.#take(this.#element + text.slice(from, at), char, records);
        from = at + 1;
      }
    }
    if (this.#state === "inside") this.#element += text.slice(from);
    if (this.#element.length > MAX_RECORD_CHARS) throw tooLong(this.#elementLine);
    return records;
  }

  end(): readonly InputRecord[] {
    if (this.#state === "after") return [];
    throw new CommandError(`line ${this.#line}: the input ends before the array does`);
  }

  #outside(char: number, text: string, at: number): void {
    if (this.#state === "before" && char === OPEN_BRACKET) {
      this.#state = "inside";
      this.#elementLine = this.#line;
    } else if ((text[at] as string).trim() !== "") {
      throw new CommandError(`line ${this.#line}: nothing may follow the array, got ${JSON.stringify(text[at])}`);
    }
  }

  #take(element: string, ending: number, records: InputRecord[]): void {
    const json = element.trim();
    const skipped = element.slice(0, element.indexOf(json)).split("\n").length - 1;
    const line = this.#elementLine + skipped;
    this.#element = "";
    this.#elementLine = this.#line;
    if (ending === CLOSE_BRACKET) this.#state = "after";
    if (json === "") {
      if (ending === CLOSE_BRACKET && this.#row === 0) return;
      throw new CommandError(`line ${this.#line}: a value is missing`);
    }
    this.#row += 1;
    records.push(jsonRecord(json, this.#row, line));
  }
}

function jsonRecord(json: string, row: number, line: number): InputRecord {
  try {
    return { row, line, json, fields: fieldsOf(JSON.parse(json)) };
  } catch (error) {
    throw new CommandError(`line ${line}: not valid JSON: ${(error as Error).message}`, 1, { cause: error });
  }
}

/** None where the value is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : {};
}

export function tooLong(line: number): CommandError {
  return new CommandError(`line ${line}: the record is longer than a message may be, 4 MiB`);
}
