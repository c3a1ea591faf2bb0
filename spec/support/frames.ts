import { readdirSync, readFileSync } from "node:fs";

/** A frame between a client and Apache RocketMQ 5.3.3, as a proxy saw it. What varies from run to run is a placeholder in angle brackets, but not in the bytes. */
export interface RecordedFrame {
  readonly dir: "c2s" | "s2c";
  readonly at: "namesrv" | "broker";
  readonly kind: "request" | "oneway" | "response";
  /** Of the code. */
  readonly name: string;
  readonly header: {
    readonly code: number;
    readonly flag: number;
    readonly language: string;
    readonly version: number;
    readonly opaque: number;
    readonly remark: string | null;
    readonly extFields: Readonly<Record<string, string>> | null;
    readonly serializeType: "JSON" | "ROCKETMQ";
  };
  /** The name of the request, of a response. */
  readonly answers?: string;
  readonly bodyLength?: number;
  /** Of bodies that are JSON in every reader's eyes. */
  readonly bodyJson?: unknown;
  /** Of other bodies that are text; the first 1,500 characters. */
  readonly bodyText?: string;
  /** Of bodies that are no text; the first 900 bytes. */
  readonly bodyHex?: string;
  /** The whole frame, of the first one of each kind. */
  readonly rawHex?: string;
}

const FOLDER = new URL("../frames/", import.meta.url);

/** The recorded scenarios. */
export const SCENARIOS: readonly string[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.replace(".jsonl", ""));

export function loadFrames(scenario: string): readonly RecordedFrame[] {
  const lines = readFileSync(new URL(`${scenario}.jsonl`, FOLDER), "utf8")
    .trimEnd()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as RecordedFrame);
}
