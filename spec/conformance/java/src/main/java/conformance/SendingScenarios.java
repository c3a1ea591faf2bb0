package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What producers are told, and what of their messages arrives. */
final class SendingScenarios {
  /** With the address of the machine, that of IPv6 where it has no other. */
  private static final String UNIQUE_ID = "[0-9A-F]{32}|[0-9A-F]{56}";

  private SendingScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "send-sync", SendingScenarios::sync,
        "send-async", SendingScenarios::async,
        "send-oneway", SendingScenarios::oneWay,
        "send-batch", SendingScenarios::batch,
        "send-refused", SendingScenarios::refused,
        "content", SendingScenarios::content,
        "content-compressed", SendingScenarios::compressed,
        "delay", SendingScenarios::delay));
  }

  private static void sync(Clients clients) throws Exception {
    clients.openTopic();
    List<MessageQueue> queues = clients.producer().fetchPublishMessageQueues(clients.topic());
    Check.equal(4, queues.size(), "queues of a new topic");
    MessageQueue queue = queues.get(3);
    long first = clients.producer().maxOffset(queue);
    List<SendResult> results = new ArrayList<>();
    for (String body : Clients.bodies("sync", 3)) results.add(clients.producer().send(clients.message(body), queue));

    for (int index = 0; index < 3; index += 1) {
      SendResult result = results.get(index);
      Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
      Check.equal(queue, result.getMessageQueue(), "queue");
      Check.equal(first + index, result.getQueueOffset(), "queue offset");
      Check.that(result.getMsgId().matches(UNIQUE_ID), "message id: " + result.getMsgId());
      Check.that(result.getOffsetMsgId().matches("[0-9A-F]{32}"), "offset message id: " + result.getOffsetMsgId());
    }
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);
    for (Inbox.Entry entry : inbox.awaitBodies(Clients.bodies("sync", 3))) {
      MessageExt message = entry.message();
      SendResult result = results.get((int) (message.getQueueOffset() - first));
      Check.equal(result.getMsgId(), message.getMsgId(), "message id");
      Check.equal(queue.getQueueId(), message.getQueueId(), "queue");
      Check.equal("sync-" + (message.getQueueOffset() - first), entry.body(), "body");
    }
  }

  private static void async(Clients clients) throws Exception {
    clients.openTopic();
    List<String> bodies = Clients.bodies("async", 50);
    CountDownLatch answered = new CountDownLatch(bodies.size());
    List<Object> failures = Collections.synchronizedList(new ArrayList<>());
    for (String body : bodies) {
      clients.producer().send(clients.message(body), new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          if (result.getSendStatus() != SendStatus.SEND_OK) failures.add(result);
          answered.countDown();
        }

        @Override
        public void onException(Throwable error) {
          failures.add(error);
          answered.countDown();
        }
      });
    }
    Check.that(answered.await(20, TimeUnit.SECONDS), answered.getCount() + " sends are not answered");
    Check.equal(List.of(), failures, "failures");
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);
    inbox.awaitBodies(bodies);
  }

  private static void oneWay(Clients clients) throws Exception {
    clients.openTopic();
    List<String> bodies = Clients.bodies("oneway", 20);
    for (String body : bodies) clients.producer().sendOneway(clients.message(body));
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);
    inbox.awaitBodies(bodies);
  }

  private static void batch(Clients clients) throws Exception {
    clients.openTopic();
    List<String> bodies = Clients.bodies("batch", 20);
    List<Message> messages = new ArrayList<>();
    for (String body : bodies) {
      Message message = clients.message(body);
      message.setTags("tag-" + body);
      message.setKeys("key-" + body);
      message.putUserProperty("said", body);
      messages.add(message);
    }
    SendResult result = clients.producer().send(messages);

    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
    Check.equal(20, result.getMsgId().split(",").length, "message ids");
    Check.equal(20, result.getOffsetMsgId().split(",").length, "offset message ids");
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);
    List<String> ids = List.of(result.getMsgId().split(","));
    for (Inbox.Entry entry : inbox.awaitBodies(bodies)) {
      MessageExt message = entry.message();
      int index = bodies.indexOf(entry.body());
      // RocketMQ overwrites them with one of the batch, where its client gives it one.
      boolean isOfBatch = clients.isRocketMq() && message.getMsgId().equals(result.getTransactionId());
      Check.that(isOfBatch || message.getMsgId().equals(ids.get(index)), "message id: expected " + ids.get(index) + ", got " + message.getMsgId());
      Check.equal(result.getMessageQueue().getQueueId(), message.getQueueId(), "queue");
      Check.equal(result.getQueueOffset() + index, message.getQueueOffset(), "queue offset");
      Check.equal("tag-" + entry.body(), message.getTags(), "tag");
      Check.equal("key-" + entry.body(), message.getKeys(), "keys");
      Check.equal(entry.body(), message.getUserProperty("said"), "property");
    }
  }

  private static void refused(Clients clients) throws Exception {
    DefaultMQProducer producer = clients.producer();
    producer.setMaxMessageSize(8 * 1024 * 1024);
    byte[] tooLarge = new byte[5 * 1024 * 1024];
    new Random(7).nextBytes(tooLarge);
    MQBrokerException large = Check.fails(MQBrokerException.class, "5 MiB", () -> producer.send(new Message(clients.topic(), tooLarge)));
    Check.equal(13, large.getResponseCode(), "code for 5 MiB");
  }

  private static void content(Clients clients) throws Exception {
    clients.openTopic();
    Message sent = new Message(clients.topic(), "tag-ü", "key-1 κλειδί", 42, "naïve 消息 🐘".getBytes(StandardCharsets.UTF_8), true);
    sent.putUserProperty("colour", "grün");
    sent.putUserProperty("消息", "🐘");
    long before = System.currentTimeMillis();
    SendResult result = clients.producer().send(sent);
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);

    MessageExt message = inbox.awaitBodies(List.of("naïve 消息 🐘")).get(0).message();
    Check.equal("tag-ü", message.getTags(), "tag");
    Check.equal("key-1 κλειδί", message.getKeys(), "keys");
    Check.equal(42, message.getFlag(), "flag");
    Check.equal("grün", message.getUserProperty("colour"), "property colour");
    Check.equal("🐘", message.getUserProperty("消息"), "property 消息");
    Check.equal(clients.topic(), message.getTopic(), "topic");
    Check.equal(0, message.getReconsumeTimes(), "reconsume times");
    Check.equal(result.getQueueOffset(), message.getQueueOffset(), "queue offset");
    long after = System.currentTimeMillis();
    Check.that(message.getBornTimestamp() >= before && message.getBornTimestamp() <= after, "born: " + message.getBornTimestamp());
    Check.that(message.getStoreTimestamp() >= before && message.getStoreTimestamp() <= after, "stored: " + message.getStoreTimestamp());
  }

  private static void compressed(Clients clients) throws Exception {
    clients.openTopic();
    String text = "ein langer Satz, ".repeat(4_000);
    clients.producer().send(clients.message(text));
    byte[] noise = new byte[100_000];
    new Random(11).nextBytes(noise);
    clients.producer().send(new Message(clients.topic(), noise));
    Inbox inbox = new Inbox();
    clients.consumeInto(inbox);

    List<Inbox.Entry> entries = inbox.await(2);
    Check.equal(1L, entries.stream().filter(entry -> entry.body().equals(text)).count(), "the text came so often");
    Check.equal(1L, entries.stream().filter(entry -> java.util.Arrays.equals(entry.message().getBody(), noise)).count(), "the noise came so often");
    Check.equal(2, new HashSet<>(entries.stream().map(entry -> entry.message().getMsgId()).toList()).size(), "message ids");
    int storedBytes = entries.stream().filter(entry -> entry.body().equals(text)).findFirst().orElseThrow().message().getStoreSize();
    Check.that(storedBytes < 4_000, "a text of 68 kB travels compressed, it took " + storedBytes);
  }

  private static void delay(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    clients.awaitShares(clients.consumeInto(inbox));
    Message late = clients.message("late");
    late.setDelayTimeLevel(1);
    long before = System.currentTimeMillis();
    SendResult result = clients.producer().send(late);
    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
    clients.producer().send(clients.message("now"));

    List<Inbox.Entry> entries = inbox.awaitBodies(List.of("now", "late"));
    Inbox.Entry delayed = entries.stream().filter(entry -> entry.body().equals("late")).findFirst().orElseThrow();
    Inbox.Entry usual = entries.stream().filter(entry -> entry.body().equals("now")).findFirst().orElseThrow();
    long waited = delayed.atMs() - before;
    Check.that(waited >= 1_000 && waited < 8_000, "delay level 1 is a second, it took " + waited + " ms");
    // When the client first pulls from which queue is its own affair.
    long between = delayed.message().getStoreTimestamp() - usual.message().getStoreTimestamp();
    Check.that(between >= 500, "the late one is in its queue behind the other one, by " + between + " ms");
    Check.equal(clients.topic(), delayed.message().getTopic(), "topic");
    Check.equal(result.getMsgId(), delayed.message().getMsgId(), "message id");
  }
}
