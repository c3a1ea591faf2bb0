// PocketMQ, served in this process on free ports.

import { openBroker } from "../../dist/cjs/open-broker.js";
import { serve } from "../../dist/cjs/wire/serve.js";

const quiet = () => undefined;

/** @param settings - of the broker. */
export async function startPocketmq(settings) {
  const logger = { debug: quiet, info: quiet, warn: quiet, error: console.error };
  const mq = await openBroker({ path: ":memory:", profile: "rocketmq", logger, ...settings });
  const { nameserver, broker, close } = await serve(mq, { nameserverPort: 0, brokerPort: 0 });
  return {
    nameserver,
    broker,
    close: async () => {
      await close();
      await mq.close();
    },
  };
}
