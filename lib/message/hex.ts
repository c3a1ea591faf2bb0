const HEX = /^[0-9a-f]*$/i;

/** Upper-case hex digits of an integer from 0, filled up with zeros in front. */
export function toHex(value: number, digits: number): string {
  const text = value.toString(16).toUpperCase();
  return text.length === digits ? text : text.padStart(digits, "0");
}

/** Whether a text consists of hex digits, of either case. */
export function isHex(text: string): boolean {
  return HEX.test(text);
}
