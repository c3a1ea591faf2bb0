import { describe, expect, it } from "vitest";
import { CsvSplitter } from "../../lib/cli/csv-rows.js";
import type { InputRecord } from "../../lib/cli/record-input.js";

function split(pieces: readonly string[]): readonly InputRecord[] {
  const splitter = new CsvSplitter();
  return [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()];
}

function fields(...pieces: readonly string[]): readonly unknown[] {
  return split(pieces).map((record) => record.fields);
}

describe("CsvSplitter", () => {
  it.each([
    [
      "a row a line",
      "a,b\n1,2\n3,4\n",
      [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
      ],
    ],
    ["a last row without line end", "a,b\n1,2", [{ a: "1", b: "2" }]],
    ["CRLF", "a,b\r\n1,2\r\n", [{ a: "1", b: "2" }]],
    ["CR", "a,b\r1,2\r", [{ a: "1", b: "2" }]],
    ["empty fields", 'a,b,c\n,"",\n', [{ a: "", b: "", c: "" }]],
    ["an empty field at the end of the input", "a,b\n1,", [{ a: "1", b: "" }]],
    ["a comma in quotes", 'a,b\n"1,5",2\n', [{ a: "1,5", b: "2" }]],
    ["line ends in quotes", 'a,b\n"1\r\n5",2\n', [{ a: "1\r\n5", b: "2" }]],
    ["doubled quotes", 'a,b\n"say ""no""","""" \n'.replace(" \n", "\n"), [{ a: 'say "no"', b: '"' }]],
    ["a quote inside a field", 'a,b\n5" pipe,2\n', [{ a: '5" pipe', b: "2" }]],
    ["spaces", "a,b\n 1 , 2\n", [{ a: " 1 ", b: " 2" }]],
    [
      "empty lines",
      "\na,b\n\n1,2\n\r\n3,4\n\n",
      [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
      ],
    ],
    ["a quoted empty field alone in its row", 'a\n""\n', [{ a: "" }]],
    ["names in quotes", '"a,b",c\n1,2\n', [{ "a,b": "1", c: "2" }]],
    ["names of Object.prototype", "__proto__,toString\n1,2\n", [JSON.parse('{"__proto__":"1","toString":"2"}')]],
  ])("reads %s", (_, text, expected) => {
    expect(fields(text)).toEqual(expected);
  });

  it("reads the same wherever the text is cut", () => {
    const text = 'a,"b ""x"""\r\n"1,\r\n2",3\r\n,"""q"""\n4,5';
    const whole = split([text]);

    for (let at = 0; at <= text.length; at += 1) expect(split([text.slice(0, at), text.slice(at)])).toEqual(whole);

    expect(split([...text])).toEqual(whole);
    expect(whole).toHaveLength(3);
  });

  it("numbers rows, and the lines they begin in", () => {
    const records = split(['a\n"1\n2"\n\n3\r\n4\n']);

    expect(records.map(({ row, line }) => [row, line])).toEqual([
      [1, 2],
      [2, 5],
      [3, 6],
    ]);
  });

  it("gives each record as JSON", () => {
    expect(split(['a,b\n"say ""no""",2\n'])[0]?.json).toBe('{"a":"say \\"no\\"","b":"2"}');
  });

  it.each([
    ["a,b\n1,2,3\n", "line 2: the row has 3 fields, the first row names 2"],
    ["a,b\n1,2\n\n1\n", "line 4: the row has 1 fields, the first row names 2"],
    ['a,b\n"1"x,2\n', "line 2: only a comma or a line end may follow a closing quote"],
    ['a,b\n1,2\n"3,\n4\n', "line 3: the input ends inside a quoted field of the row that begins here"],
    ["a,b,a\n1,2,3\n", 'line 1: two fields have the name "a"'],
  ])("refuses %j", (text, message) => {
    expect(() => split([text])).toThrow(message);
  });

  it("refuses a quote that is never closed before it fills the memory", () => {
    const splitter = new CsvSplitter();
    splitter.push('a\n"');
    const piece = "x".repeat(1024 * 1024);
    for (let mebi = 0; mebi < 4; mebi += 1) splitter.push(piece);

    expect(() => splitter.push(piece)).toThrow("line 2: the record is longer than a message may be, 4 MiB");
  });
});
