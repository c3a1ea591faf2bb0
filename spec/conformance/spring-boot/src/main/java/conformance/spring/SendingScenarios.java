package conformance.spring;

import static org.apache.rocketmq.spring.support.RocketMQHeaders.KEYS;

import conformance.Check;
import conformance.Inbox;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;

/** Every way in which a template sends. */
final class SendingScenarios {
  private static final long TIMEOUT_MS = 10_000;

  private SendingScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "send-sync", SendingScenarios::sync,
        "send-async", SendingScenarios::async,
        "send-oneway", SendingScenarios::oneway,
        "send-batch", SendingScenarios::batch,
        "json", SendingScenarios::json,
        "delay", SendingScenarios::delay));
  }

  /** prefix-0, prefix-1 … */
  static List<String> bodies(String prefix, int count) {
    return IntStream.range(0, count).mapToObj(index -> prefix + "-" + index).toList();
  }

  /** Those of transactions have no id of the broker's. */
  static void checkSent(SendResult result, String topic) {
    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
    Check.equal(topic, result.getMessageQueue().getTopic(), "topic");
    Check.that(result.getMsgId() != null, "there is an id: " + result);
  }

  /** What came is what its sender was told. */
  private static void checkCame(SendResult result, MessageExt message) {
    Check.equal(result.getMsgId(), message.getMsgId(), "message id");
    Check.equal(result.getMessageQueue().getQueueId(), message.getQueueId(), "queue");
    Check.equal(result.getQueueOffset(), message.getQueueOffset(), "queue offset");
  }

  private static void sync(Applications applications, String topic) throws Exception {
    RocketMQTemplate template = applications.template();
    Message<String> full = MessageBuilder.withPayload("full, größer: 商品 🚀").setHeader(KEYS, "key-1 key-2").setHeader("colour", "grün").build();
    SendResult result = template.syncSend(topic + ":some-tag", full);
    SendResult plain = template.syncSend(topic, "plain");
    template.convertAndSend(topic + ":another-tag", "converted");
    template.convertAndSend(topic + ":another-tag", "with headers", Map.of(KEYS, "key-3"));
    template.send(topic, MessageBuilder.withPayload("bytes".getBytes(StandardCharsets.UTF_8)).build());
    checkSent(result, topic);
    checkSent(plain, topic);

    Inbox inbox = applications.listener(Listeners.SendSync.class).inbox;
    Map<String, MessageExt> came = new TreeMap<>();
    inbox.awaitBodies(List.of(full.getPayload(), "plain", "converted", "with headers", "bytes"))
        .forEach(entry -> came.put(entry.body(), entry.message()));
    MessageExt message = came.get(full.getPayload());
    checkCame(result, message);
    Check.equal("some-tag", message.getTags(), "tag");
    Check.equal("key-1 key-2", message.getKeys(), "keys");
    Check.equal("grün", message.getUserProperty("colour"), "header");
    Check.equal("text/plain;charset=UTF-8", message.getUserProperty("contentType").replace("; ", ";"), "content type");
    checkCame(plain, came.get("plain"));
    Check.equal("another-tag", came.get("converted").getTags(), "tag of what is converted");
    Check.equal("key-3", came.get("with headers").getKeys(), "keys of what is converted");
  }

  private static void async(Applications applications, String topic) throws Exception {
    List<String> bodies = bodies("async", 20);
    Map<String, SendResult> results = new ConcurrentHashMap<>();
    Map<String, Throwable> errors = new ConcurrentHashMap<>();
    for (String body : bodies) {
      applications.template().asyncSend(topic, body, new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          Check.that(results.put(body, result) == null, "one callback for " + body);
        }

        @Override
        public void onException(Throwable error) {
          errors.put(body, error);
        }
      }, TIMEOUT_MS);
    }

    Check.eventually("each callback is called", () -> results.size() + errors.size() == bodies.size());
    Check.equal(Map.of(), errors, "errors");
    for (Inbox.Entry entry : applications.listener(Listeners.SendAsync.class).inbox.awaitBodies(bodies)) {
      checkSent(results.get(entry.body()), topic);
      checkCame(results.get(entry.body()), entry.message());
    }
  }

  private static void oneway(Applications applications, String topic) throws Exception {
    List<String> bodies = bodies("oneway", 10);
    for (String body : bodies) applications.template().sendOneWay(topic + ":some-tag", body);

    for (Inbox.Entry entry : applications.listener(Listeners.SendOneway.class).inbox.awaitBodies(bodies)) {
      Check.equal("some-tag", entry.message().getTags(), "tag");
    }
  }

  private static void batch(Applications applications, String topic) throws Exception {
    List<String> bodies = bodies("batch", 10);
    List<Message<String>> messages = bodies.stream().map(body -> MessageBuilder.withPayload(body).setHeader(KEYS, "key-" + body).build()).toList();
    checkSent(applications.template().syncSend(topic + ":some-tag", messages, TIMEOUT_MS), topic);

    for (Inbox.Entry entry : applications.listener(Listeners.SendBatch.class).inbox.awaitBodies(bodies)) {
      Check.equal("key-" + entry.body(), entry.message().getKeys(), "keys");
      Check.equal("some-tag", entry.message().getTags(), "tag");
    }
  }

  private static void json(Applications applications, String topic) throws Exception {
    Order order = new Order("17", "Zoë 🚀", LocalDate.of(2024, 2, 29), List.of(1, 2, 3));
    Order another = new Order("18", "", null, List.of());
    applications.template().convertAndSend(topic + ":created", order);
    checkSent(applications.template().syncSend(topic, MessageBuilder.withPayload(another).setHeader(KEYS, "18").build()), topic);

    Listeners.Json listener = applications.listener(Listeners.Json.class);
    Check.eventually("both orders", () -> listener.orders.size() >= 2);
    List<Inbox.Entry> raw = applications.listener(Listeners.RawJson.class).inbox.await(2);
    Check.equal(List.of("17", "18"), listener.orders.stream().map(Order::id).sorted().toList(), "orders");
    Check.that(listener.orders.containsAll(List.of(order, another)), "orders are as they were: " + listener.orders);
    for (Inbox.Entry entry : raw) {
      Check.equal("application/json", entry.message().getUserProperty("contentType"), "content type");
    }
    Check.that(raw.stream().anyMatch(entry -> entry.body().contains("\"day\":\"2024-02-29\"")), "JSON: " + raw);
  }

  private static void delay(Applications applications, String topic) throws Exception {
    RocketMQTemplate template = applications.template();
    long sentAt = System.currentTimeMillis();
    checkSent(template.syncSend(topic, MessageBuilder.withPayload("level").build(), TIMEOUT_MS, 1), topic);
    checkSent(template.syncSendDelayTimeMills(topic, "timer", 2_000), topic);
    checkSent(template.syncSend(topic, "at once"), topic);

    List<Inbox.Entry> came = applications.listener(Listeners.Delay.class).inbox.await(3);
    Check.equal(List.of("at once", "level", "timer"), came.stream().map(Inbox.Entry::body).toList(), "order");
    long level = came.get(1).atMs() - sentAt;
    long timer = came.get(2).atMs() - sentAt;
    Check.that(level >= 950 && level < 4_000, "delay level 1 is a second, it took " + level + " ms");
    Check.that(timer >= 1_950 && timer < 6_000, "the timer is set to two seconds, it took " + timer + " ms");
  }
}
