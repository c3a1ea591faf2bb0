package conformance.spring;

import conformance.Check;
import conformance.Inbox;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;

/** Listeners of every kind, and `receive`. */
final class ConsumingScenarios {
  private ConsumingScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "tags", ConsumingScenarios::tags,
        "clustering", ConsumingScenarios::clustering,
        "broadcasting", ConsumingScenarios::broadcasting,
        "orderly", ConsumingScenarios::orderly,
        "retry", ConsumingScenarios::retry,
        "dead-letter", ConsumingScenarios::deadLetter,
        "restart", ConsumingScenarios::restart,
        "receive", ConsumingScenarios::receive));
  }

  private static void send(Applications applications, String topic, List<String> bodies) {
    for (String body : bodies) applications.template().convertAndSend(topic, body);
  }

  private static void tags(Applications applications, String topic) throws Exception {
    for (String tag : List.of("a", "b", "c", "ab", "A")) send(applications, topic + ":" + tag, SendingScenarios.bodies(tag, 3));
    send(applications, topic, List.of("none"));

    List<String> expected = Stream.of("a", "b").flatMap(tag -> SendingScenarios.bodies(tag, 3).stream()).toList();
    for (Inbox.Entry entry : applications.listener(Listeners.Tags.class).inbox.awaitBodies(expected)) {
      Check.equal(entry.body().substring(0, 1), entry.message().getTags(), "tag");
    }
  }

  private static void clustering(Applications applications, String topic) throws Exception {
    List<String> bodies = SendingScenarios.bodies("shared", 24);
    send(applications, topic, bodies);

    Inbox one = applications.listener(Listeners.Clustering.class).inbox;
    Inbox other = applications.other(Listeners.Clustering.class).inbox;
    Check.eventually("all of them", () -> one.bodies().size() + other.bodies().size() >= bodies.size());
    List<String> all = new ArrayList<>(one.await(one.bodies().size()).stream().map(Inbox.Entry::body).toList());
    all.addAll(other.bodies());
    Check.equal(Inbox.sorted(bodies), Inbox.sorted(all), "messages of both");
    Check.that(!one.bodies().isEmpty() && !other.bodies().isEmpty(), "both have some: " + one.bodies() + ", " + other.bodies());
  }

  private static void broadcasting(Applications applications, String topic) throws Exception {
    List<String> bodies = SendingScenarios.bodies("for-all", 8);
    send(applications, topic, bodies);

    applications.listener(Listeners.Broadcasting.class).inbox.awaitBodies(bodies);
    applications.other(Listeners.Broadcasting.class).inbox.awaitBodies(bodies);
  }

  private static void orderly(Applications applications, String topic) throws Exception {
    Map<String, Integer> queues = new TreeMap<>();
    for (int index = 0; index < 5; index += 1) {
      for (String key : SendingScenarios.bodies("key", 4)) {
        SendResult result = applications.template().syncSendOrderly(topic, key + ":" + index, key);
        SendingScenarios.checkSent(result, topic);
        int queue = result.getMessageQueue().getQueueId();
        Check.equal(queues.computeIfAbsent(key, none -> queue), queue, "queue of " + key);
      }
    }

    List<Inbox.Entry> calls = applications.listener(Listeners.Orderly.class).inbox.await(21);
    for (String key : queues.keySet()) {
      List<String> expected = new ArrayList<>(List.of(key + ":0", key + ":1", key + ":2", key + ":3", key + ":4"));
      // The one that fails comes again, before what is behind it.
      if (key.equals("key-1")) expected.add(2, key + ":2");
      Check.equal(expected, calls.stream().map(Inbox.Entry::body).filter(body -> body.startsWith(key)).toList(), "order of " + key);
    }
  }

  private static void retry(Applications applications, String topic) throws Exception {
    Message<String> sent = MessageBuilder.withPayload("fails-twice").setHeader(RocketMQHeaders.KEYS, "some-key").build();
    SendResult result = applications.template().syncSend(topic + ":some-tag", sent);
    send(applications, topic, List.of("succeeds"));

    Inbox calls = applications.listener(Listeners.Retry.class).inbox;
    List<Inbox.Entry> attempts = calls.awaitBodies(List.of("fails-twice", "fails-twice", "fails-twice", "succeeds")).stream()
        .filter(entry -> entry.body().equals("fails-twice"))
        .toList();
    for (int times = 0; times < 3; times += 1) {
      MessageExt message = attempts.get(times).message();
      Check.equal(times, message.getReconsumeTimes(), "reconsume times");
      Check.equal(topic, message.getTopic(), "topic");
      Check.equal(result.getMsgId(), message.getMsgId(), "message id");
      Check.equal("some-tag", message.getTags(), "tag");
      Check.equal("some-key", message.getKeys(), "keys");
      if (times == 0) continue;
      long waited = attempts.get(times).atMs() - attempts.get(times - 1).atMs();
      Check.that(waited >= 950 && waited < 4_000, "delayLevelWhenNextConsume 1 is a second, the retry took " + waited + " ms");
    }
  }

  private static void deadLetter(Applications applications, String topic) throws Exception {
    Message<String> sent = MessageBuilder.withPayload("poison").setHeader(RocketMQHeaders.KEYS, "some-key").build();
    SendResult result = applications.template().syncSend(topic, sent);

    String deadLetters = "%DLQ%" + topic + "-group";
    Check.eventually("a route of " + deadLetters, () -> applications.hasRoute(deadLetters));
    applications.listener(Listeners.Poisoned.class).inbox.awaitBodies(List.of("poison", "poison"));
    try (ConfigurableApplicationContext undertaker = applications.start("dead-letters")) {
      MessageExt letter = undertaker.getBean(Listeners.DeadLetters.class).inbox.awaitBodies(List.of("poison")).get(0).message();
      Check.equal(result.getMsgId(), letter.getMsgId(), "message id");
      Check.equal("some-key", letter.getKeys(), "keys");
      Check.equal(topic, letter.getProperty("RETRY_TOPIC"), "topic that it came from");
    }
  }

  private static void restart(Applications applications, String topic) throws Exception {
    List<String> before = SendingScenarios.bodies("before", 6);
    List<String> meanwhile = SendingScenarios.bodies("meanwhile", 6);
    send(applications, topic, before);
    try (ConfigurableApplicationContext first = applications.start("restarting")) {
      first.getBean(Listeners.Restart.class).inbox.awaitBodies(before);
    }
    send(applications, topic, meanwhile);
    try (ConfigurableApplicationContext second = applications.start("restarting")) {
      second.getBean(Listeners.Restart.class).inbox.awaitBodies(meanwhile);
    }
  }

  private static Order order(String id) {
    return new Order(id, "customer of " + id, LocalDate.EPOCH, List.of());
  }

  private static void receive(Applications applications, String topic) throws Exception {
    List<String> before = SendingScenarios.bodies("before", 6);
    List<String> meanwhile = SendingScenarios.bodies("meanwhile", 6);
    for (String id : before) applications.template().convertAndSend(topic + ":a", order(id));
    try (ConfigurableApplicationContext first = applications.start("receiving")) {
      RocketMQTemplate template = first.getBean(RocketMQTemplate.class);
      checkReceived(template, before);
      template.getConsumer().commit(template.getConsumer().assignment(), true);
      // It waits for no answer, and an Apache RocketMQ may not get to it before its client is gone.
      Thread.sleep(500);
    }
    for (String id : meanwhile) {
      applications.template().convertAndSend(topic + ":b", order(id));
      applications.template().convertAndSend(topic + ":c", order("filtered out"));
    }
    try (ConfigurableApplicationContext second = applications.start("receiving")) {
      checkReceived(second.getBean(RocketMQTemplate.class), meanwhile);
    }
  }

  private static void checkReceived(RocketMQTemplate template, List<String> ids) throws Exception {
    List<Order> received = new ArrayList<>();
    Check.eventually("all orders", () -> {
      received.addAll(template.receive(Order.class, 200));
      return received.size() >= ids.size();
    });
    received.addAll(template.receive(Order.class, 400));
    Check.equal(Inbox.sorted(ids), Inbox.sorted(received.stream().map(Order::id).toList()), "orders");
    Check.that(received.stream().allMatch(order -> order.equals(order(order.id()))), "orders are as they were: " + received);
  }
}
