/**
 * What a property file of Java says, in its order; of a key that comes twice the last value counts.
 *
 * Source: `java.util.Properties.load`.
 */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const [, key = "", value = ""] = /^((?:\\.|[^\\=:\s])*)[ \t\f]*[=:]?[ \t\f]*(.*)$/s.exec(line) ?? [];
    properties.set(unescaped(key), unescaped(value));
  }
  return properties;
}

/** Lines that say something, without the space before them; one that ends in an odd number of backslashes goes on in the next one. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = [];
  let begun: string | undefined;
  for (const natural of text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    if (begun === undefined && (line === "" || /^[#!]/.test(line))) continue;
    const whole = (begun ?? "") + line;
    const [{ length: backslashes }] = /\\*$/.exec(whole) ?? [""];
    begun = backslashes % 2 === 1 ? whole.slice(0, -1) : undefined;
    if (begun === undefined) lines.push(whole);
  }
  if (begun !== undefined && begun !== "") lines.push(begun);
  return lines;
}

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, character: string) =>
    hex === undefined ? (ESCAPES[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
