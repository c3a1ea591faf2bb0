import { describe, expect, it } from "vitest";
import { JsonArraySplitter, NdjsonSplitter } from "../../lib/cli/json-values.js";
import type { InputRecord, RecordSplitter } from "../../lib/cli/record-input.js";

function split(splitter: RecordSplitter, pieces: Iterable<string>): readonly InputRecord[] {
  const records: InputRecord[] = [];
  for (const piece of pieces) records.push(...splitter.push(piece));
  return [...records, ...splitter.end()];
}

describe("JsonArraySplitter", () => {
  const array = (...pieces: readonly string[]): readonly InputRecord[] => split(new JsonArraySplitter(), pieces);

  it("finds the elements whatever they hold", () => {
    const elements = ['{"a":[1,{"b":"],}"}]}', '"x\\"],["', "[]", "12345678901234567890", "null", '{"a":"\\\\"}', "{}"];

    expect(array(`\n[${elements.join(" ,\n")}]\n`).map(({ json }) => json)).toEqual(elements);
  });

  it("reads the same wherever the text is cut", () => {
    const text = ' [ {"a":"\\\\"} ,\n["\\"]"], {"b":[{}]}\n] \n';
    const whole = array(text);

    for (let at = 0; at <= text.length; at += 1) expect(array(text.slice(0, at), text.slice(at))).toEqual(whole);

    expect(array(...text)).toEqual(whole);
    expect(whole).toHaveLength(3);
  });

  it("gives the fields of objects, none of other values", () => {
    expect(array('[{"a":1},[2],"b",null]').map(({ fields }) => fields)).toEqual([{ a: 1 }, {}, {}, {}]);
  });

  it("numbers rows, and the lines they begin in", () => {
    const records = array('[\n\n{"a":\n1}, 2,\n3\n]');

    expect(records.map(({ row, line }) => [row, line])).toEqual([
      [1, 3],
      [2, 4],
      [3, 5],
    ]);
  });

  it.each(["[]", " [ \n ] \n"])("finds nothing in %j", (text) => {
    expect(array(text)).toEqual([]);
  });

  it.each([
    ["[1,\n,2]", "line 2: a value is missing"],
    ["[1,\n]", "line 2: a value is missing"],
    ["[1 2]", "line 1: not valid JSON: "],
    ["[\n{]}]", "line 2: not valid JSON: "],
    ["[1]\n\n[2]", 'line 3: nothing may follow the array, got "["'],
    ["[1", "line 1: the input ends before the array does"],
    ['["\n', "line 2: the input ends before the array does"],
  ])("refuses %j", (text, message) => {
    expect(() => array(text)).toThrow(message);
  });

  it("refuses an element without end before it fills the memory", () => {
    const splitter = new JsonArraySplitter();
    splitter.push('[1,\n"');
    const piece = "x".repeat(1024 * 1024);
    for (let mebi = 0; mebi < 3; mebi += 1) splitter.push(piece);

    expect(() => splitter.push(piece)).toThrow("4 MiB");
  });
});

describe("NdjsonSplitter", () => {
  const lines = (...pieces: readonly string[]): readonly InputRecord[] => split(new NdjsonSplitter(), pieces);

  it("reads the same wherever the text is cut", () => {
    const text = '{"a":1}\r\n\n  {"b":"x"}  \n[1]';
    const whole = lines(text);

    for (let at = 0; at <= text.length; at += 1) expect(lines(text.slice(0, at), text.slice(at))).toEqual(whole);

    expect(lines(...text)).toEqual(whole);
    expect(whole).toEqual([
      { row: 1, line: 1, json: '{"a":1}', fields: { a: 1 } },
      { row: 2, line: 3, json: '{"b":"x"}', fields: { b: "x" } },
      { row: 3, line: 4, json: "[1]", fields: {} },
    ]);
  });

  it("refuses what is no JSON, with its line", () => {
    expect(() => lines('{"a":1}\n\n{"a":1} {"a":2}\n')).toThrow("line 3: not valid JSON: ");
  });

  it("refuses a line without end before it fills the memory", () => {
    const splitter = new NdjsonSplitter();
    splitter.push('{}\n"');
    const piece = "x".repeat(1024 * 1024);
    for (let mebi = 0; mebi < 3; mebi += 1) splitter.push(piece);

    expect(() => splitter.push(piece)).toThrow("line 2: the record is longer than a message may be, 4 MiB");
  });
});
