import { CommandError } from "./command-error.js";
import { MAX_RECORD_CHARS, tooLong } from "./json-values.js";
import type { InputRecord, RecordSplitter } from "./record-input.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Comma-separated values as RFC 4180 has them: the first row names the fields; a field in quotes may hold commas, line
 * ends and doubled quotes. Rows end in LF or CRLF. Empty lines are passed over, a quote within an unquoted field
 * stands for itself, spaces count.
 *
 * ```
 * start ──"──▶ quoted ──"──▶ closed ──"──▶ quoted
 *   └─other──▶ bare             every state but quoted ──, or line end──▶ start
 * ```
 */
export class CsvSplitter implements RecordSplitter {
  #state: "start" | "bare" | "quoted" | "closed" = "start";
  #field = "";
  #fields: string[] = [];
  #names: readonly string[] | undefined;
  #line = 1;
  #rowLine = 1;
  #rowChars = 0;
  #row = 0;
  /** A CR that may turn out to be half of a CRLF. */
  #hasCarriageReturn = false;

  push(text: string): readonly InputRecord[] {
    const records: InputRecord[] = [];
    let from = 0;
    const keep = (to: number): void => {
      this.#field += text.slice(from, to);
    };
    for (let at = 0; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (this.#hasCarriageReturn) {
        this.#hasCarriageReturn = false;
        if (char !== LINE_FEED) this.#bareCarriageReturn();
      }
      if (this.#state === "quoted") {
        if (char === LINE_FEED) this.#line += 1;
        if (char !== QUOTE) continue;
        keep(at);
        this.#state = "closed";
        from = at + 1;
      } else if (char === QUOTE && this.#state !== "bare") {
        // At the start it opens the field; behind the closing quote it makes that one a quote of the text.
        if (this.#state === "closed") this.#field += '"';
        this.#state = "quoted";
        from = at + 1;
      } else if (char === COMMA || char === LINE_FEED || char === CARRIAGE_RETURN) {
        if (this.#state === "bare") keep(at);
        from = at + 1;
        if (char === COMMA) this.#endField();
        else if (char === LINE_FEED) this.#endRow(records);
        else this.#hasCarriageReturn = true;
      } else if (this.#state === "start") {
        this.#state = "bare";
        from = at;
      } else if (this.#state === "closed") {
        throw new CommandError(`line ${this.#line}: only a comma or a line end may follow a closing quote`);
      }
    }
    if (this.#state === "bare" || this.#state === "quoted") keep(text.length);
    this.#rowChars += text.length;
    if (records.length > 0) this.#rowChars = this.#field.length;
    if (this.#rowChars > MAX_RECORD_CHARS) throw tooLong(this.#rowLine);
    return records;
  }

  end(): readonly InputRecord[] {
    if (this.#state === "quoted") {
      throw new CommandError(`line ${this.#rowLine}: the input ends inside a quoted field of the row that begins here`);
    }
    const records: InputRecord[] = [];
    this.#endRow(records);
    return records;
  }
}
