import { getOrAdd } from "./get-or-add.js";
import type { GoneClient } from "./history-rules.js";
import { firstAtOrAfter } from "./sorted-numbers.js";

/** When clients were gone. */
export class Departures {
  readonly #times = new Map<string, number[]>();

  constructor(gone: readonly GoneClient[]) {
    for (const { clientId, at } of gone) getOrAdd(this.#times, clientId, () => []).push(at);
    for (const times of this.#times.values()) times.sort((a, b) => a - b);
  }

  /** Whether it was between these times; of events of the same millisecond the departure counts as the one in between. */
  has(clientId: string | undefined, from: number, to: number): boolean {
    const times = clientId === undefined ? undefined : this.#times.get(clientId);
    const first = times?.[firstAtOrAfter(times, from)];
    return first !== undefined && first <= to;
  }
}
