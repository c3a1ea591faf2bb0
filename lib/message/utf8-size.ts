/** Up to this many characters a loop beats the call into the runtime. */
const SHORT_TEXT = 32;

/** Bytes of `text` in UTF-8; a lone surrogate counts the 3 bytes of the U+FFFD that is written for it. */
export function utf8Size(text: string): number {
  const { length } = text;
  if (length > SHORT_TEXT) return Buffer.byteLength(text, "utf8");
  for (let index = 0; index < length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return Buffer.byteLength(text, "utf8");
  }
  return length;
}
