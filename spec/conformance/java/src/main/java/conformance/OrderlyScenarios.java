package conformance;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;

/** Messages of one key in one queue, consumed in their order. */
final class OrderlyScenarios {
  private static final List<String> KEYS = List.of("ada", "bob", "cyd", "dan", "eve", "fay");
  private static final int EACH = 8;

  private OrderlyScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "orderly", OrderlyScenarios::orderly,
        "orderly-shared", OrderlyScenarios::shared,
        "orderly-dead-letter", OrderlyScenarios::deadLetter));
  }

  /** Sends `KEY-0` … of each key in turns. */
  private static List<String> sendInOrder(Clients clients) throws Exception {
    Map<String, Set<Integer>> queues = new HashMap<>();
    List<String> bodies = new ArrayList<>();
    for (int index = 0; index < EACH; index += 1) {
      for (String key : KEYS) {
        String body = key + "-" + index;
        SendResult result = clients.producer().send(clients.message(body), new SelectMessageQueueByHash(), key);
        queues.computeIfAbsent(key, none -> new HashSet<>()).add(result.getMessageQueue().getQueueId());
        bodies.add(body);
      }
    }
    queues.forEach((key, used) -> Check.equal(1, used.size(), "queues of the key " + key));
    return bodies;
  }

  private static void checkOrder(List<String> bodies) {
    Map<String, List<String>> byKey = bodies.stream().collect(Collectors.groupingBy(body -> body.substring(0, 3)));
    for (String key : KEYS) Check.equal(Clients.bodies(key, EACH), byKey.get(key), "order of the key " + key);
  }

  private static void orderly(Clients clients) throws Exception {
    clients.openTopic();
    List<String> bodies = sendInOrder(clients);
    Inbox inbox = new Inbox();
    List<String> calls = new ArrayList<>();
    AtomicBoolean hasFailed = new AtomicBoolean();
    DefaultMQPushConsumer consumer = clients.orderlyConsumer((messages, context) -> {
      String body = Inbox.text(messages.get(0));
      synchronized (calls) {
        calls.add(body);
      }
      if (body.equals("bob-3") && hasFailed.compareAndSet(false, true)) return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
      inbox.add(messages);
      return ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.start();

    inbox.awaitBodies(bodies);
    checkOrder(inbox.bodies());
    List<String> ofBob = calls.stream().filter(body -> body.startsWith("bob")).toList();
    List<String> expected = new ArrayList<>(Clients.bodies("bob", EACH));
    expected.add(3, "bob-3");
    Check.equal(expected, ofBob, "calls for the key with a failure");
  }

  private static void shared(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    Map<Integer, AtomicInteger> inFlight = new HashMap<>();
    for (int queueId = 0; queueId < 4; queueId += 1) inFlight.put(queueId, new AtomicInteger());
    AtomicBoolean overlapped = new AtomicBoolean();
    MessageListenerOrderly listener = (messages, context) -> {
      AtomicInteger within = inFlight.get(messages.get(0).getQueueId());
      if (within.incrementAndGet() > 1) overlapped.set(true);
      inbox.add(messages);
      within.decrementAndGet();
      return ConsumeOrderlyStatus.SUCCESS;
    };
    DefaultMQPushConsumer first = clients.orderlyConsumer(listener);
    DefaultMQPushConsumer second = clients.orderlyConsumer(listener);
    first.start();
    second.start();
    clients.awaitShares(first, second);
    List<String> bodies = sendInOrder(clients);

    inbox.awaitBodies(bodies);
    checkOrder(inbox.bodies());
    Check.that(!overlapped.get(), "two members were called for one queue at the same time");
  }

  private static void deadLetter(Clients clients) throws Exception {
    clients.openTopic();
    List<String> calls = new ArrayList<>();
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = clients.orderlyConsumer((messages, context) -> {
      String body = Inbox.text(messages.get(0));
      if (body.equals("poison")) {
        synchronized (calls) {
          calls.add(body);
        }
        context.setSuspendCurrentQueueTimeMillis(50);
        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
      }
      inbox.add(messages);
      return ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.setMaxReconsumeTimes(2);
    for (String body : List.of("first", "poison", "last"))
      clients.producer().send(clients.message(body), new SelectMessageQueueByHash(), "one-key");
    consumer.start();

    inbox.awaitBodies(List.of("first", "last"));
    Check.equal(3, calls.size(), "calls for a message that may fail twice again");
    String deadLetters = "%DLQ%" + clients.group();
    Check.eventually("a route of " + deadLetters, () -> clients.hasRoute(deadLetters));
    Inbox dead = new Inbox();
    clients.consumeInto(dead, deadLetters, "*");
    dead.awaitBodies(List.of("poison"));
  }
}
