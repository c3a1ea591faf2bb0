package conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.Message;

/** Push consumers of both models, without failures. */
final class ConsumingScenarios {
  private ConsumingScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "clustering", ConsumingScenarios::clustering,
        "broadcasting", ConsumingScenarios::broadcasting,
        "tags", ConsumingScenarios::tags,
        "restart", ConsumingScenarios::restart,
        "company", ConsumingScenarios::company,
        "long-polling", ConsumingScenarios::longPolling));
  }

  private static void clustering(Clients clients) throws Exception {
    clients.openTopic();
    Inbox both = new Inbox();
    Inbox firstInbox = new Inbox();
    DefaultMQPushConsumer first = clients.pushConsumer(clients.topic(), "*", (messages, context) -> {
      firstInbox.add(messages);
      return Clients.into(both).consumeMessage(messages, context);
    });
    first.start();
    DefaultMQPushConsumer second = clients.consumeInto(both);
    clients.awaitShares(first, second);
    Set<Integer> share = clients.queuesOf(first);
    List<String> bodies = Clients.bodies("shared", 40);
    clients.send(bodies);
    List<String> own = both.awaitBodies(bodies).stream()
        .filter(entry -> share.contains(entry.message().getQueueId()))
        .map(Inbox.Entry::body)
        .sorted()
        .toList();
    List<String> got = firstInbox.bodies().stream().sorted().toList();
    Check.equal(own, got, "what the first of two members got is what was in its two queues");
    // By turns, but for where a producer learns its new topic's route meanwhile, and begins its turn anew.
    Check.that(own.size() >= 15 && own.size() <= 25, "of 40 messages " + own.size() + " are in two of four queues");

    first.shutdown();
    clients.awaitShares(second);
    List<String> later = Clients.bodies("later", 8);
    clients.send(later);
    List<String> all = new ArrayList<>(bodies);
    all.addAll(later);
    both.awaitBodies(all);
    Check.equal(own.size(), firstInbox.entries().size(), "messages of a member that is gone");
  }

  private static void broadcasting(Clients clients) throws Exception {
    clients.openTopic();
    List<Inbox> inboxes = List.of(new Inbox(), new Inbox());
    for (Inbox inbox : inboxes) {
      DefaultMQPushConsumer consumer = clients.pushConsumer(clients.topic(), "*", Clients.into(inbox));
      // The enum lies in another package in each version.
      var model = consumer.getMessageModel();
      consumer.setMessageModel(Enum.valueOf(model.getDeclaringClass(), "BROADCASTING"));
      consumer.start();
      Check.eventually("all queues for each member", () -> clients.queuesOf(consumer).size() == 4);
    }
    List<String> bodies = Clients.bodies("for-all", 20);
    clients.send(bodies);
    for (Inbox inbox : inboxes) inbox.awaitBodies(bodies);
  }

  private static void tags(Clients clients) throws Exception {
    clients.openTopic();
    for (String tag : List.of("a", "b", "c", "ab", "A")) {
      for (String body : Clients.bodies(tag, 4)) {
        Message message = clients.message(body);
        message.setTags(tag);
        clients.producer().send(message);
      }
    }
    clients.send(List.of("no-tag"));
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox, clients.topic(), "a || b");
    List<String> expected = new ArrayList<>(Clients.bodies("a", 4));
    expected.addAll(Clients.bodies("b", 4));
    inbox.awaitBodies(expected);
  }

  /** What a consumer consumed before it was closed does not come again to the next one of its group, what it had not seen does. */
  private static void restart(Clients clients) throws Exception {
    clients.openTopic();
    clients.send(Clients.bodies("before", 12));
    Inbox before = new Inbox();
    DefaultMQPushConsumer first = clients.consumeInto(before);
    before.awaitBodies(Clients.bodies("before", 12));
    first.shutdown();
    clients.send(Clients.bodies("between", 12));
    Inbox after = new Inbox();
    clients.consumeInto(after);
    after.awaitBodies(Clients.bodies("between", 12));
  }

  /** The other member of the group is no client, but in the process of the broker, which looks at its share itself. */
  private static void company(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = clients.consumeInto(inbox);
    Check.eventually("half of the queues", () -> clients.queuesOf(consumer).size() == 2);
    clients.send(Clients.bodies("shared", 40));
    inbox.await(20);
  }

  private static void longPolling(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    clients.awaitShares(clients.consumeInto(inbox));
    // Longer than the queues' first pulls take, so that each waits at the broker.
    Thread.sleep(1_000);
    for (int round = 1; round <= 8; round += 1) {
      long before = System.currentTimeMillis();
      clients.send(List.of("round-" + round));
      int expected = round;
      Check.eventually("message " + round, () -> inbox.entries().size() >= expected);
      long took = inbox.entries().get(round - 1).atMs() - before;
      Check.that(took < 2_000, "a consumer that waits is told at once, it took " + took + " ms");
    }
    inbox.awaitBodies(Clients.bodies("round", 9).subList(1, 9));
  }
}
