import type { Readable, Writable } from "node:stream";

/** What a command talks to. */
export interface Terminal {
  readonly stdin: Readable;
  /** Results. */
  readonly stdout: Output;
  /** Progress and errors. */
  readonly stderr: Output;
  /** Aborts with a `CommandError` when the user or the system ends the command. */
  readonly signal: AbortSignal;
}

/** Where text goes. */
export interface Output {
  readonly isTTY: boolean;
  /** Characters in a line, 80 where nobody knows. */
  readonly columns: number;
  write(text: string): void;
}

/** A stream whose reader may leave early, as `head` does: what is written afterwards is dropped, and the command still finishes its work. */
export function streamOutput(stream: Writable & { readonly isTTY?: boolean; readonly columns?: number }): Output {
  let isGone = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    isGone = true;
  });
  return {
    isTTY: stream.isTTY === true,
    get columns() {
      // Some terminals say 0.
      return stream.columns === undefined || stream.columns < 1 ? 80 : stream.columns;
    },
    write: (text) => {
      if (!isGone) stream.write(text);
    },
  };
}
