import { decodeProperties, encodeDecoded, PROPERTY } from "../message/properties.js";
import { propertiesAt, replaceProperties } from "../message/record.js";

type Properties = readonly (readonly [name: string, value: string])[];

/** What one record says. */
export function propertyOf(record: Buffer, name: string): string | undefined {
  const text = propertiesAt(record, 0);
  return text.includes(name) ? decodeProperties(text).get(name) : undefined;
}

/** A copy of the record that has these, and keeps its others. */
export function changeProperties(record: Buffer, changed: Properties): Buffer {
  const properties = decodeProperties(propertiesAt(record, 0));
  for (const [name, value] of changed) properties.set(name, value);
  return replaceProperties(record, encodeDecoded(properties));
}

/**
 * How long nobody is to be asked, where the message says so itself. What is no whole number, and -1, counts as nothing said.
 *
 * Source: RocketMQ 5.3.3, `broker/.../transaction/queue/TransactionalMessageServiceImpl.java`, `getImmunityTime`.
 */
export function immunityOf(record: Buffer): number | undefined {
  return immunityIn(propertiesAt(record, 0));
}

/** The same of properties in RocketMQ's encoding. */
export function immunityIn(properties: string): number | undefined {
  if (!properties.includes(PROPERTY.CHECK_IMMUNITY_TIME_IN_SECONDS)) return undefined;
  const text = decodeProperties(properties).get(PROPERTY.CHECK_IMMUNITY_TIME_IN_SECONDS);
  if (text === undefined || !/^[+-]?\d{1,15}$/.test(text)) return undefined;
  const seconds = Number(text);
  return seconds === -1 ? undefined : seconds * 1_000;
}
