package conformance;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that poll. */
final class LitePullScenarios {
  private LitePullScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "lite-pull-subscribe", LitePullScenarios::subscribe,
        "lite-pull-tags", LitePullScenarios::tags,
        "lite-pull-assign", LitePullScenarios::assign));
  }

  private static void poll(DefaultLitePullConsumer consumer, Inbox inbox, int count) throws Exception {
    Check.eventually(count + " polled messages", () -> {
      inbox.add(consumer.poll(200));
      return inbox.entries().size() >= count;
    });
    inbox.add(consumer.poll(400));
  }

  private static void subscribe(Clients clients) throws Exception {
    clients.openTopic();
    clients.send(Clients.bodies("first", 12));
    Inbox first = new Inbox();
    DefaultLitePullConsumer consumer = clients.litePullConsumer();
    consumer.subscribe(clients.topic(), "*");
    consumer.start();
    poll(consumer, first, 12);
    first.awaitBodies(Clients.bodies("first", 12));
    consumer.commitSync();
    clients.send(Clients.bodies("second", 12));
    Inbox uncommitted = new Inbox();
    poll(consumer, uncommitted, 12);
    uncommitted.awaitBodies(Clients.bodies("second", 12));
    consumer.shutdown();

    Inbox again = new Inbox();
    DefaultLitePullConsumer next = clients.litePullConsumer();
    next.subscribe(clients.topic(), "*");
    next.start();
    poll(next, again, 12);
    again.awaitBodies(Clients.bodies("second", 12));
  }

  private static void tags(Clients clients) throws Exception {
    clients.openTopic();
    for (String tag : List.of("a", "b", "c")) {
      for (String body : Clients.bodies(tag, 4)) {
        Message message = clients.message(body);
        message.setTags(tag);
        clients.producer().send(message);
      }
    }
    Inbox inbox = new Inbox();
    DefaultLitePullConsumer consumer = clients.litePullConsumer();
    consumer.subscribe(clients.topic(), "a || c");
    consumer.start();
    poll(consumer, inbox, 8);
    List<String> expected = new ArrayList<>(Clients.bodies("a", 4));
    expected.addAll(Clients.bodies("c", 4));
    inbox.awaitBodies(expected);
  }

  private static void assign(Clients clients) throws Exception {
    clients.openTopic();
    List<MessageQueue> queues = clients.producer().fetchPublishMessageQueues(clients.topic());
    MessageQueue queue = queues.get(1);
    MessageQueue other = queues.get(2);
    long start = clients.producer().maxOffset(queue);
    for (String body : Clients.bodies("message", 10)) clients.producer().send(clients.message(body), queue);
    for (String body : Clients.bodies("other", 5)) clients.producer().send(clients.message(body), other);
    DefaultLitePullConsumer consumer = clients.litePullConsumer();
    consumer.start();
    Collection<MessageQueue> fetched = consumer.fetchMessageQueues(clients.topic());
    Check.equal(sorted(queues), sorted(fetched), "queues");

    consumer.assign(List.of(queue));
    Inbox all = new Inbox();
    // A seek while the client pulls for the first time is lost now and then, at RocketMQ too.
    poll(consumer, all, 10);
    Check.equal(Clients.bodies("message", 10), all.bodies(), "without a seek");

    consumer.seek(queue, start + 6);
    Inbox fromSix = new Inbox();
    poll(consumer, fromSix, 4);
    Check.equal(Clients.bodies("message", 10).subList(6, 10), fromSix.bodies(), "after seek to the seventh");

    consumer.seekToBegin(queue);
    Inbox fromBegin = new Inbox();
    poll(consumer, fromBegin, 10);
    Check.equal(Clients.bodies("message", 10), fromBegin.bodies(), "after seek to the begin");
    consumer.commitSync();
    Check.equal(start + 10, consumer.committed(queue), "committed");

    consumer.seekToEnd(queue);
    Check.equal(List.of(), texts(consumer.poll(400)), "at the end");
    clients.producer().send(clients.message("new"), queue);
    Inbox fresh = new Inbox();
    poll(consumer, fresh, 1);
    Check.equal(List.of("new"), fresh.bodies(), "after seek to the end");

    consumer.assign(List.of(other));
    Inbox fromOther = new Inbox();
    poll(consumer, fromOther, 5);
    Check.equal(Clients.bodies("other", 5), fromOther.bodies(), "of the queue assigned last");
    Check.equal(0L, consumer.offsetForTimestamp(queue, 0L), "offset of the earliest time");
  }

  private static List<MessageQueue> sorted(Collection<MessageQueue> queues) {
    return queues.stream().map(queue -> new MessageQueue(queue.getTopic(), queue.getBrokerName(), queue.getQueueId()))
        .sorted(Comparator.comparingInt(MessageQueue::getQueueId)).toList();
  }

  private static List<String> texts(List<MessageExt> messages) {
    return messages.stream().map(Inbox::text).toList();
  }
}
