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

function write(level: string, text: string, data: object | undefined): void {
  process.stderr.write(`pocketmq ${level}: ${text}${data === undefined ? "" : ` ${JSON.stringify(data)}`}\n`);
}
