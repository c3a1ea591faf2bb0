import { describeThrown } from "./thrown.js";

/** Where PocketMQ tells what goes on; any of the common loggers fits. Texts are for people, `data` for machines. */
export interface Logger {
  debug(text: string, data?: object): void;
  info(text: string, data?: object): void;
  warn(text: string, data?: object): void;
  error(text: string, data?: object): void;
}

/** Warnings and errors to stderr, one line each. */
export const stderrLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (text, data) => write("warning", text, data),
  error: (text, data) => write("error", text, data),
};

/** The same logger, except that it never throws: what goes wrong in it must not harm what it reports on. */
export function neverThrowing(logger: Logger): Logger {
  const guard = (level: keyof Logger) => (text: string, data?: object) => {
    try {
      logger[level](text, data);
    } catch (error) {
      write("error", `the logger threw while it was told: ${text}`, { error: describeThrown(error) });
    }
  };
  return { debug: guard("debug"), info: guard("info"), warn: guard("warn"), error: guard("error") };
}

function write(level: string, text: string, data: object | undefined): void {
  process.stderr.write(`pocketmq ${level}: ${text}${data === undefined ? "" : ` ${JSON.stringify(data)}`}\n`);
}
