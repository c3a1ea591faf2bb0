/** Writes out a text that a fact gives in short, as in `t… (127 chars)`: its last character is repeated up to the length. */
export function writeOut(text: string): string {
  const [, start, length] = /^(.+)… \((\d+) chars\)$/.exec(text) ?? [];
  return start === undefined ? text : start.padEnd(Number(length), start.at(-1));
}
