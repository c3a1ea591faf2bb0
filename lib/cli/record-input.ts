import { createReadStream, statSync } from "node:fs";
import { extname } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { TextDecoder } from "node:util";
import { CommandError } from "./command-error.js";
import { CsvSplitter } from "./csv-rows.js";
import { JsonArraySplitter, NdjsonSplitter } from "./json-values.js";

/** One record of an input. */
export interface InputRecord {
  /** Counted from 1, the names of CSV fields not included. */
  readonly row: number;
  /** Where it begins, from 1. */
  readonly line: number;
  /** The record as JSON; what was JSON before keeps its text, so that no number loses digits. */
  readonly json: string;
  /** Empty where the record is no object. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Cuts text that comes in pieces into records. Throws a `CommandError` that names the line. */
export interface RecordSplitter {
  push(text: string): readonly InputRecord[];
  /** What is left when the input has ended. */
  end(): readonly InputRecord[];
}

/** Some records of an input, in order. */
export interface RecordPage {
  readonly records: readonly InputRecord[];
  /** Read so far. */
  readonly bytes: number;
  /** Of the whole input; `undefined` where it comes through a pipe. */
  readonly totalBytes: number | undefined;
}

export interface RecordInput {
  /** A file, or `-` for `stdin`. */
  readonly input: string;
  readonly stdin: Readable;
  readonly signal: AbortSignal;
}

/**
 * Reads an input of any length, holding one piece of it at a time: nothing is read while the caller works on a page.
 *
 * `.ndjson` and `.jsonl` are NDJSON, `.csv` is CSV; `.json` is an array, or NDJSON where it does not begin with `[`. Of
 * everything else the first character decides: `[` an array, `{` NDJSON, else CSV. UTF-8, with or without a BOM.
 *
 * @throws CommandError for an input that cannot be read, or holds something else; it names input and line.
 */
export async function* readRecords({ input, stdin, signal }: RecordInput): AsyncGenerator<RecordPage, void, undefined> {
  const name = input === "-" ? "standard input" : input;
  const totalBytes = input === "-" ? undefined : fileSize(input);
  const stream = addAbortSignal(signal, input === "-" ? stdin : createReadStream(input));
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let splitter: RecordSplitter | undefined;
  let bytes = 0;
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch (error) {
      throw new CommandError(`it is not UTF-8 text`, 1, { cause: error });
    }
  };
  try {
    // Left early, the loop destroys the stream: a pipe that is not read to its end would keep the process waiting.
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const text = decode(chunk);
      bytes += chunk.length;
      splitter ??= chooseSplitter(extname(input).toLowerCase(), text);
      const records = splitter?.push(text) ?? [];
      if (records.length > 0) yield { records, bytes, totalBytes };
    }
    decode();
    const records = splitter?.end() ?? [];
    if (records.length > 0) yield { records, bytes, totalBytes };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CommandError)
      throw new CommandError(`${name}: ${error.message}`, error.exitCode, { cause: error });
    if (error instanceof Error && "syscall" in error)
      throw new CommandError(`cannot read ${name}: ${error.message}`, 1, { cause: error });
    throw error;
  }
}

/** `undefined` as long as there are only blanks and it is the first character that decides. */
function chooseSplitter(extension: string, text: string): RecordSplitter | undefined {
  if (extension === ".ndjson" || extension === ".jsonl") return new NdjsonSplitter();
  if (extension === ".csv") return new CsvSplitter();
  const first = text.trimStart()[0];
  if (first === undefined) return undefined;
  if (first === "[") return new JsonArraySplitter();
  return extension === ".json" || first === "{" ? new NdjsonSplitter() : new CsvSplitter();
}

function fileSize(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new CommandError(`there is no file ${path}`);
  if (stats.isDirectory()) throw new CommandError(`${path} is a folder, not a file`);
  return stats.isFile() ? stats.size : undefined;
}
