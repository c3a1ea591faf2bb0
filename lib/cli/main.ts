#!/usr/bin/env node
import { CommandError } from "./command-error.js";
import { runCommandLine } from "./command-line.js";
import { streamOutput } from "./terminal.js";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

const ending = new AbortController();

for (const [name, exitCode] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    // The second time somebody does not want to wait for the store to close; it survives that.
    if (ending.signal.aborted) process.exit(exitCode);
    ending.abort(new CommandError(`ended by ${name}`, exitCode));
  });
}

void runCommandLine(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: streamOutput(process.stdout),
  stderr: streamOutput(process.stderr),
  signal: ending.signal,
}).then((exitCode) => {
  process.exitCode = exitCode;
});
