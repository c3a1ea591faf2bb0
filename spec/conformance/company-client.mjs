import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { javaProgram } from "./java-client.mjs";

const SCENARIO = "company";
const QUEUES = 4;
const SENT = 40;
/** What makes the topic, which nobody counts. */
const OPENING = "opening";

/** A Java consumer and one in the process of the broker share the queues of a group. The broker is opened here, in this process. */
export function companyClient(name, version) {
  const java = javaProgram(name, version);
  return {
    name: SCENARIO,
    tools: java.tools,
    scenarios: [SCENARIO],
    hasOwnBroker: true,
    prepare: java.prepare,
    async run() {
      const { openBroker } = await import("../../dist/esm/index.js");
      const folder = mkdtempSync(join(tmpdir(), "pocketmq-conformance-"));
      const mq = await openBroker({ path: join(folder, "mq.db"), profile: "rocketmq" });
      try {
        return await shareGroup(mq, java);
      } finally {
        await mq.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

async function shareGroup(mq, java) {
  const { serve } = await import("../../dist/esm/wire/index.js");
  const run = Date.now().toString(36);
  const topic = `${SCENARIO}-${run}`;
  const group = `${topic}-group`;
  const seen = [];
  await mq.admin.createTopic(topic, { readQueueNums: QUEUES, writeQueueNums: QUEUES });
  const listener = (message) => void seen.push(message.text());
  await mq.pushConsumer({ group, subscriptions: { [topic]: "*" }, listener }).start();
  // The client leaves before it tells how far it has come, so that some messages come again then, here as at RocketMQ: they are not counted.
  let counted;
  mq.on("group:rebalanced", ({ assignment }) => {
    const hasAll = assignment.filter((queue) => queue.topic === topic).length === QUEUES;
    if (hasAll) counted ??= seen.filter((body) => body !== OPENING);
  });
  const service = await serve(mq, { nameserverPort: 0, brokerPort: 0 });
  try {
    const ended = await java.run(service.nameserver, run, [SCENARIO]);
    const own = counted ?? [];
    const { lag } = await mq.admin.consumeStats(group);
    const found = `${own.length} messages, ${new Set(own).size} different, ${lag} left`;
    const expected = `${SENT / 2} messages, ${SENT / 2} different, 0 left`;
    const wrong = { scenario: SCENARIO, isOk: false, detail: `in this process: expected ${expected}, got ${found}` };
    return found === expected ? ended : { ...ended, reports: [...ended.reports, wrong] };
  } finally {
    await service.close();
  }
}
