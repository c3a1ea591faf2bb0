/** What ends a command: its message goes to stderr as it is, without a stack. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
  /** 1: it was tried and failed, 2: it was asked for wrongly, 128 + n: signal n ended it. */
  readonly exitCode: number;

  constructor(message: string, exitCode: number = 1, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The command line itself is wrong. */
export function usageError(message: string, command?: string): CommandError {
  return new CommandError(`${message}\nSee pocketmq ${command === undefined ? "" : `${command} `}--help.`, 2);
}
