// Bodies that tell which message they belong to, in every part of them.

/** @param size - at least that of the key and a space. */
export function bodyOf(key, size) {
  const part = `${key} `;
  return part.repeat(Math.ceil(size / part.length)).slice(0, Math.max(size, part.length));
}

export function keyOf(body) {
  return body.slice(0, body.indexOf(" "));
}
