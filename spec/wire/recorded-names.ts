import { ADDRESS } from "../support/wire-broker.js";

/** What a placeholder of a recording may stand for. */
const FORMS: Readonly<Record<string, string>> = {
  uniqKey: "[0-9A-F]{32,}",
  offsetMsgId: "[0-9A-F]{32}",
  ts: "\\d{13}",
  broker: ADDRESS.replaceAll(".", "\\."),
  host: "(?:<host>|[\\d.]+)",
  port: "\\d+",
  recallHandle: "[\\w=-]+",
};

const PLACEHOLDER = /<([a-zA-Z]+)(#\d+)?>/g;

/**
 * What the recording calls a thing, and what it is called here. A numbered placeholder is the same thing wherever it stands: what it was first is what it has to be.
 */
export class RecordedNames {
  readonly #ours = new Map<string, string>();
  readonly #time: number;

  /** @param time - of everything that clients did: versions of subscriptions are times, and compared. */
  constructor(time: number) {
    this.#time = time;
  }

  /** From now on `recorded`, a placeholder or a number of the recording, is `ours`. */
  learn(recorded: string, ours: string): void {
    this.#ours.set(recorded, ours);
  }

  ours(recorded: string): string | undefined {
    return this.#ours.get(recorded);
  }

  /** A text of a recorded request as it has to be sent here. Client ids stay as they are. */
  fill(recorded: string): string {
    return recorded.replace(PLACEHOLDER, (placeholder, kind: string, number = "") => {
      if (kind === "ts") return `${this.#time}`;
      const known = this.#ours.get(placeholder);
      if (known !== undefined || kind !== "uniqKey") return known ?? placeholder;
      this.learn(placeholder, number.slice(1).padStart(32, "0"));
      return this.#ours.get(placeholder) as string;
    });
  }

  /** `ours` as the recording would have it: `recorded` itself if they differ in nothing but what its placeholders stand for. */
  like(recorded: string, ours: string): string {
    const met: string[] = [];
    const pattern = recorded.split(PLACEHOLDER).reduce((all, part, index) => {
      if (index % 3 === 0) return all + part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      if (index % 3 === 2) return all;
      const placeholder = `<${part}${recorded.split(PLACEHOLDER)[index + 1] ?? ""}>`;
      met.push(placeholder);
      return `${all}(${this.#ours.get(placeholder) ?? FORMS[part] ?? placeholder})`;
    }, "");
    const found = new RegExp(`^${pattern}$`).exec(ours);
    if (found === null) return ours;
    for (const [index, placeholder] of met.entries())
      if (placeholder.includes("#")) this.learn(placeholder, found[index + 1] as string);
    return recorded;
  }
}
