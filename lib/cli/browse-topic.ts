import type { Broker, MessageView } from "../index.js";

const PAGE = 1_024;

/** Every message that is in a topic now, queue by queue, whoever consumed it; none where there is no such topic. */
export async function* browseTopic(mq: Broker, topic: string): AsyncGenerator<MessageView, void, undefined> {
  const topics = await mq.admin.listTopics();
  if (!topics.some((known) => known.topic === topic)) return;
  for (const { queue, minOffset, maxOffset } of await mq.admin.topicStats(topic)) {
    for (let from = minOffset; from < maxOffset; ) {
      const page = await mq.admin.browse(queue, from, PAGE);
      const last = page.at(-1);
      if (last === undefined) break;
      yield* page;
      from = last.queueOffset + 1;
    }
  }
}
