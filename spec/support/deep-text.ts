import { StoredMessageView } from "../../lib/message/message-view.js";

/**
 * All text that a value leads to: strings, numbers and bytes among its properties, hidden ones such as the stack and the causes of an error too, however
 * deep. A message counts with its body and its properties.
 */
export function deepText(value: unknown): string {
  const texts: string[] = [];
  const seen = new Set<unknown>();
  const visit = (found: unknown): void => {
    if (typeof found !== "object" || found === null) {
      texts.push(String(found));
      return;
    }
    if (seen.has(found)) return;
    seen.add(found);
    if (found instanceof Uint8Array) texts.push(Buffer.from(found).toString("latin1"));
    if (found instanceof StoredMessageView) texts.push(found.text(), JSON.stringify(found.properties));
    if (found instanceof Map || found instanceof Set) for (const entry of found) visit(entry);
    if (found instanceof AbortSignal) visit(found.reason);
    for (const key of Reflect.ownKeys(found)) {
      texts.push(String(key));
      visit(Reflect.get(found, key));
    }
  };
  visit(value);
  return texts.join("\n");
}
