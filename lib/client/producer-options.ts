import { checkProducerGroup } from "../message/names.js";
import { integerOption, refuseUnknownOptions } from "../options.js";

/** Options of a producer. */
export interface ProducerOptions {
  /** Names the producers that belong together: 1 to 255 of `%`, `|`, letters, digits, `_` and `-`; not `DEFAULT_PRODUCER`. */
  readonly group: string;
  /** How long one send may take, waiting for another writer included. Milliseconds. @defaultValue 3_000 */
  readonly sendTimeoutMs?: number | undefined;
  /** Largest body, and largest sum of a batch, in bytes: 1 to 4,194,304. @defaultValue 4_194_304 (4 MiB) */
  readonly maxMessageSize?: number | undefined;
}

export const MAX_MESSAGE_SIZE: number = 4 * 1024 * 1024;

/** Applies defaults and checks every field once; nothing behind this line checks again. */
export function resolveProducerOptions(
  options: ProducerOptions,
): Required<{ [K in keyof ProducerOptions]-?: NonNullable<ProducerOptions[K]> }> {
  refuseUnknownOptions("ProducerOptions", options, ["group", "sendTimeoutMs", "maxMessageSize"]);
  return {
    group: checkProducerGroup(options.group),
    sendTimeoutMs: integerOption("sendTimeoutMs", options.sendTimeoutMs, { min: 1, max: 2 ** 31 - 1, fallback: 3_000 }),
    maxMessageSize: integerOption("maxMessageSize", options.maxMessageSize, {
      min: 1,
      max: MAX_MESSAGE_SIZE,
      fallback: MAX_MESSAGE_SIZE,
    }),
  };
}
