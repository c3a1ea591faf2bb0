import { expect } from "vitest";
import type { Logger, MessageView, MqError, PushConsumer, PushConsumerOptions } from "../../../lib/index.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../../../lib/testing/index.js";

export interface Kit extends AsyncDisposable {
  readonly broker: TestBroker;
  /** Warnings and errors. */
  readonly logged: readonly string[];
}

/** A test broker that logs to memory, and whose store is checked at the end. */
export async function openKit(options: TestBrokerOptions = {}): Promise<Kit> {
  const logged: string[] = [];
  const keep = (text: string): void => void logged.push(text);
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
  const broker = await openTestBroker({ logger, leaks: "ignore", ...options });
  return {
    broker,
    logged,
    [Symbol.asyncDispose]: async () => {
      if (broker.database.open && !broker.database.inTransaction)
        expect(await broker.admin.checkStore()).toEqual({ problems: [] });
      await broker.close({ graceMs: 0 });
    },
  };
}

export const TOPIC = "orders";

export function textOf(message: MessageView): string {
  return message.text();
}

export async function consume(broker: TestBroker, settings: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  const options = { group: "billing", subscriptions: { [TOPIC]: "*" }, listener: () => undefined, ...settings };
  const consumer = broker.pushConsumer(options as PushConsumerOptions);
  await consumer.start();
  return consumer;
}

/** `SEND_OK` or the code of the error, and RocketMQ's. */
export async function outcomes(sends: readonly Promise<{ status: string }>[]): Promise<readonly string[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((result) => {
    if (result.status === "fulfilled") return result.value.status;
    const { code, responseCode } = result.reason as MqError;
    return `${code} ${responseCode}`;
  });
}
