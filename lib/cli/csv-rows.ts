import { CommandError } from "./command-error.js";
import { MAX_RECORD_CHARS, tooLong } from "./json-values.js";
import type { InputRecord, RecordSplitter } from "./record-input.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Comma-separated values as RFC 4180 has them: the first row names the fields; a field in quotes may hold commas, line
 * ends and doubled quotes; every row has the same number of fields. Beyond it: rows may end in CRLF, LF or CR, empty
 * lines are passed over, and a quote inside an unquoted field stands for itself. Spaces count, values are strings.
 *
 * ```
 * start ──"──▶ quoted ──"──▶ closed ──"──▶ quoted
 *   └──other──▶ bare           every state but quoted ──comma or line end──▶ start
 * ```
 */
export class CsvSplitter implements RecordSplitter {
  #state: "start" | "bare" | "quoted" | "closed" = "start";
  #field = "";
  #fields: string[] = [];
  #names: readonly string[] | undefined;
  #line = 1;
  #rowLine = 1;
  /** Of the fields before this one in the row. */
  #fieldsChars = 0;
  #row = 0;
  #isAfterCarriageReturn = false;

  push(text: string): readonly InputRecord[] {
    const records: InputRecord[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      const isSecondOfCrLf = char === LINE_FEED && this.#isAfterCarriageReturn;
      this.#isAfterCarriageReturn = false;
      if (isSecondOfCrLf) continue;
      if (this.#state === "quoted") {
        if (char === LINE_FEED) this.#line += 1;
        if (char !== QUOTE) continue;
        this.#field += text.slice(from, at);
        this.#state = "closed";
      } else if (char === QUOTE && this.#state !== "bare") {
        // Behind the quote that seemed to close the field, it makes both one quote of the text.
        if (this.#state === "closed") this.#field += '"';
        this.#state = "quoted";
        from = at + 1;
      } else if (char === COMMA || char === LINE_FEED || char === CARRIAGE_RETURN) {
        if (this.#state === "bare") this.#field += text.slice(from, at);
        if (char === COMMA) this.#endField();
        else this.#endRow(records);
        this.#isAfterCarriageReturn = char === CARRIAGE_RETURN;
      } else if (this.#state === "start") {
        this.#state = "bare";
        from = at;
      } else if (this.#state === "closed") {
        throw new CommandError(`line ${this.#line}: only a comma or a line end may follow a closing quote`);
      }
    }
    if (this.#state === "bare" || this.#state === "quoted") this.#field += text.slice(from);
    if (this.#fieldsChars + this.#field.length > MAX_RECORD_CHARS) throw tooLong(this.#rowLine);
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

  #endField(): void {
    this.#fields.push(this.#field);
    this.#fieldsChars += this.#field.length;
    this.#field = "";
    this.#state = "start";
  }

  #endRow(records: InputRecord[]): void {
    const isEmpty = this.#state === "start" && this.#fields.length === 0;
    if (!isEmpty) {
      this.#endField();
      this.#take(this.#fields, records);
    }
    this.#line += 1;
    this.#rowLine = this.#line;
    this.#fields = [];
    this.#fieldsChars = 0;
  }

  #take(values: readonly string[], records: InputRecord[]): void {
    if (this.#names === undefined) {
      const twice = values.find((name, at) => values.indexOf(name) !== at);
      if (twice !== undefined)
        throw new CommandError(`line ${this.#rowLine}: two fields have the name ${JSON.stringify(twice)}`);
      this.#names = values;
      return;
    }
    if (values.length !== this.#names.length) {
      throw new CommandError(
        `line ${this.#rowLine}: the row has ${values.length} fields, the first row names ${this.#names.length}`,
      );
    }
    const fields = Object.fromEntries(this.#names.map((name, at) => [name, values[at] as string]));
    this.#row += 1;
    records.push({ row: this.#row, line: this.#rowLine, json: JSON.stringify(fields), fields });
  }
}
