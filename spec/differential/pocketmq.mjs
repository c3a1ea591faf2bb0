// PocketMQ, served in this process on free ports.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBroker } from "../../dist/cjs/open-broker.js";
import { serve } from "../../dist/cjs/wire/serve.js";

const quiet = () => undefined;

/** On a file: there it does more than in memory, and has to answer alike. @param settings - of the broker. */
export async function startPocketmq(settings) {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-differential-"));
  const logger = { debug: quiet, info: quiet, warn: quiet, error: console.error };
  const mq = await openBroker({ path: join(folder, "mq.db"), profile: "rocketmq", logger, ...settings });
  const { nameserver, broker } = await serve(mq, { nameserverPort: 0, brokerPort: 0 });
  return {
    nameserver,
    broker,
    close: async () => {
      await mq.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
