import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MQ_ERRORS, type MqErrorCode } from "../../lib/errors.js";

const page = readFileSync(join(import.meta.dirname, "../../lib/ERRORS.md"), "utf8");
const sections = new Map(
  [...page.matchAll(/^## (\w+)\n(.*?)(?=^## |$(?![\s\S]))/gms)].map(([, code, text]) => [code, text]),
);

describe("lib/ERRORS.md", () => {
  it("has a section for every code, and none for another", () => {
    expect([...sections.keys()]).toEqual(Object.keys(MQ_ERRORS));
  });

  it.each(Object.keys(MQ_ERRORS) as MqErrorCode[])("names the response code of %s", (code) => {
    const { responseCode } = MQ_ERRORS[code];

    const expected =
      responseCode === undefined ? "No response code" : `Response code ${String(responseCode).replace("-", "−")}`;

    expect(sections.get(code)?.startsWith(expected)).toBe(true);
  });
});
