import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { isMqError } from "../errors.js";
import { CommandError, usageError } from "./command-error.js";
import { demoCommand } from "./demo.js";
import { serveCommand } from "./serve.js";
import type { Terminal } from "./terminal.js";

/** One subcommand. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Resolves with the exit code; a `CommandError` or an `MqError` says why it ended early. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

const COMMANDS: readonly Command[] = [demoCommand, serveCommand];

/** Runs what the arguments ask for; resolves with the exit code, after telling on stderr why it is not 0. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await run(args, terminal);
  } catch (error) {
    if (error instanceof CommandError) {
      terminal.stderr.write(`pocketmq: ${error.message}\n`);
      return error.exitCode;
    }
    if (isMqError(error)) terminal.stderr.write(`pocketmq: ${error.message} (${error.code})\n`);
    else terminal.stderr.write(`pocketmq: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  }
}

async function run([name, ...rest]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === undefined) throw new CommandError(`a command is missing\n\n${help()}`.trimEnd(), 2);
  if (name === "--help" || name === "-h") {
    terminal.stdout.write(help());
    return 0;
  }
  if (name === "--version" || name === "-v") {
    terminal.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const what = name.startsWith("-") ? "option" : "command";
    const known = what === "option" ? "--help, --version" : COMMANDS.map((candidate) => candidate.name).join(", ");
    throw usageError(`there is no ${what} ${name}; this version has ${known}`);
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    terminal.stdout.write(command.help);
    return 0;
  }
  return command.run(rest, terminal);
}

function help(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return `PocketMQ ${version()}: RocketMQ's guarantees in SQLite, inside your process

  pocketmq COMMAND [OPTIONS]

Commands
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}

Options
  --help     this text; after a command, the options of the command
  --version  the version

Exit code: 0 done, 1 failed or a check did not hold, 2 wrong command line, 130 interrupted (serve: 0).
`;
}

/** Of the package that the running script belongs to: dist/cjs/cli/main.js, which npm may have linked to from elsewhere. */
function version(): string {
  const script = realpathSync(process.argv[1] ?? "");
  const manifest = readFileSync(join(script, "..", "..", "..", "..", "package.json"), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
