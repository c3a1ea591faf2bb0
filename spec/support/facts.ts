import { readFileSync } from "node:fs";

/** Areas of the recorded facts of Apache RocketMQ 5.3.3 that are copied to spec/facts. */
export type FactArea =
  | "admin"
  | "allocation"
  | "delay"
  | "encodings"
  | "filters-live"
  | "groups"
  | "hash"
  | "message-ids"
  | "messages"
  | "names"
  | "orderly"
  | "recall"
  | "retry"
  | "selectors"
  | "tag-filter"
  | "transactions"
  | "validation";

/** How a recorded call ended that did not return. */
export interface RecordedError {
  readonly exception: string;
  readonly responseCode?: number;
  readonly message: string | null;
}

interface Fact {
  readonly id: string;
  readonly given: string;
  readonly steps?: unknown;
  readonly then: unknown;
}

/** The facts of one area, by their names without the area. */
export class Facts {
  readonly area: FactArea;
  readonly #facts: ReadonlyMap<string, Fact>;

  constructor(area: FactArea, facts: readonly Fact[]) {
    this.area = area;
    this.#facts = new Map(facts.map((fact) => [fact.id.slice(area.length + 1), fact]));
  }

  get names(): readonly string[] {
    return [...this.#facts.keys()];
  }

  /** What was observed; `T` is taken on trust. */
  observed<T>(name: string): T {
    return this.#get(name).then as T;
  }

  /** The inputs, where a fact has any; `T` is taken on trust. */
  steps<T>(name: string): T {
    return this.#get(name).steps as T;
  }

  /** The error that a call ended with; `undefined` where it returned. */
  error(name: string): RecordedError | undefined {
    return this.observed<{ readonly error?: RecordedError }>(name).error;
  }

  #get(name: string): Fact {
    const fact = this.#facts.get(name);
    if (fact === undefined) throw new Error(`no fact "${name}" was recorded in "${this.area}"`);
    return fact;
  }
}

export function loadFacts(area: FactArea): Facts {
  const text = readFileSync(new URL(`../facts/${area}.json`, import.meta.url), "utf8");
  return new Facts(area, JSON.parse(text) as readonly Fact[]);
}
