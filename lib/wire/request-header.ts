import { MqError } from "../errors.js";
import type { RemotingCommand } from "./remoting-command.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { Answer, WireConnection } from "./wire-connection.js";

/** How one field of a header is read. */
export interface Field<T> {
  /** In the header. */
  readonly name: string;
  /** Throws `ERR_MQ_INVALID_ARGUMENT` (1) for what it cannot be. */
  read(value: string | undefined): T;
}

/** The fields of a header, by the names that its handler has for them. */
export type HeaderShape = Readonly<Record<string, Field<unknown>>>;

export type HeaderOf<S extends HeaderShape> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

/** One request that is answered. */
export interface RequestRow {
  readonly code: number;
  readonly handle: (request: RemotingCommand, connection: WireConnection) => Answer | Promise<Answer>;
}

/** A request with its header. */
export function requestRow<S extends HeaderShape>(
  code: number,
  shape: S,
  handle: (header: HeaderOf<S>, request: RemotingCommand, connection: WireConnection) => Answer | Promise<Answer>,
): RequestRow {
  return { code, handle: (request, connection) => handle(readHeader(shape, request), request, connection) };
}

function readHeader<S extends HeaderShape>(shape: S, { fields }: RemotingCommand): HeaderOf<S> {
  const header: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) header[name] = field.read(fields?.get(field.name));
  return header as HeaderOf<S>;
}

/** Any text, which must be there. */
export function text(name: string): Field<string> {
  return { name, read: (value) => present(name, value) };
}

/** An integer of 32 bits, which must be there. */
export function int(name: string): Field<number> {
  return { name, read: (value) => toInt(name, present(name, value)) };
}

/** An integer of 64 bits, which must be there; beyond what a number holds exactly, the nearest that it does. */
export function long(name: string): Field<number> {
  return { name, read: (value) => toLong(name, present(name, value)) };
}

/** Java's: everything but "true", in whatever case, is false, and so is what is not there. */
export function flag(name: string): Field<boolean> {
  return { name, read: (value) => value?.toLowerCase() === "true" };
}

/** The same field, which need not be there. */
export function optional<T>({ name, read }: Field<T>): Field<T | undefined> {
  return { name, read: (value) => (value === undefined ? undefined : read(value)) };
}

function present(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw malformed(`the custom field <${name}> is null`);
}

function toInt(name: string, value: string): number {
  const number = toLong(name, value);
  if ((number | 0) === number) return number;
  throw malformed(`the custom field <${name}> must be an integer of 32 bits, got "${value}"`);
}

function toLong(name: string, value: string): number {
  if (!/^[+-]?\d{1,19}$/.test(value)) throw malformed(`the custom field <${name}> must be an integer, got "${value}"`);
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

function malformed(remark: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", remark, { responseCode: RESPONSE_CODES.SYSTEM_ERROR });
}
