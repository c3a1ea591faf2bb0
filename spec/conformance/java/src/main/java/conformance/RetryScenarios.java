package conformance;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Listeners that fail. */
final class RetryScenarios {
  private RetryScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of(
        "retry", RetryScenarios::retry,
        "retry-default-delay", RetryScenarios::defaultDelay,
        "dead-letter", RetryScenarios::deadLetter));
  }

  private static void retry(Clients clients) throws Exception {
    clients.openTopic();
    Inbox calls = new Inbox();
    DefaultMQPushConsumer consumer = clients.pushConsumer(clients.topic(), "*", (messages, context) -> {
      calls.add(messages);
      MessageExt message = messages.get(0);
      if (!Inbox.text(message).equals("fails-twice") || message.getReconsumeTimes() >= 2) return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
      context.setDelayLevelWhenNextConsume(1);
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    });
    consumer.start();
    clients.awaitShares(consumer);
    Message sent = clients.message("fails-twice");
    sent.setTags("some-tag");
    sent.setKeys("some-key");
    sent.putUserProperty("colour", "green");
    SendResult result = clients.producer().send(sent);
    clients.send(List.of("succeeds"));

    calls.awaitBodies(List.of("fails-twice", "fails-twice", "fails-twice", "succeeds"));
    List<Inbox.Entry> attempts = calls.entries().stream().filter(entry -> entry.body().equals("fails-twice")).toList();
    for (int times = 0; times < 3; times += 1) {
      MessageExt message = attempts.get(times).message();
      Check.equal(times, message.getReconsumeTimes(), "reconsume times");
      Check.equal(clients.topic(), message.getTopic(), "topic");
      Check.equal(result.getMsgId(), message.getMsgId(), "message id");
      Check.equal("some-tag", message.getTags(), "tag");
      Check.equal("some-key", message.getKeys(), "keys");
      Check.equal("green", message.getUserProperty("colour"), "property");
      if (times > 0) checkOrigin(result, message);
      if (times > 0) {
        long waited = attempts.get(times).atMs() - attempts.get(times - 1).atMs();
        Check.that(waited >= 950 && waited < 8_000, "delay level 1 is a second, the retry took " + waited + " ms");
      }
    }
  }

  private static void defaultDelay(Clients clients) throws Exception {
    clients.openTopic();
    Inbox calls = new Inbox();
    DefaultMQPushConsumer consumer = clients.pushConsumer(clients.topic(), "*", (messages, context) -> {
      calls.add(messages);
      boolean isFirst = messages.get(0).getReconsumeTimes() == 0;
      return isFirst && Inbox.text(messages.get(0)).equals("fails-once") ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    clients.send(List.of("fails-once"));

    List<Inbox.Entry> attempts = calls.awaitBodies(List.of("fails-once", "fails-once"));
    long waited = attempts.get(1).atMs() - attempts.get(0).atMs();
    Check.that(waited >= 9_950 && waited < 18_000, "the first retry comes after 10 s, it took " + waited + " ms");
  }

  private static void deadLetter(Clients clients) throws Exception {
    clients.openTopic();
    Inbox calls = new Inbox();
    DefaultMQPushConsumer consumer = clients.pushConsumer(clients.topic(), "*", (messages, context) -> {
      calls.add(messages);
      context.setDelayLevelWhenNextConsume(1);
      return Inbox.text(messages.get(0)).equals("poison") ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.setMaxReconsumeTimes(1);
    consumer.start();
    Message sent = clients.message("poison");
    sent.setKeys("some-key");
    SendResult result = clients.producer().send(sent);

    String deadLetters = "%DLQ%" + clients.group();
    Check.eventually("a route of " + deadLetters, () -> clients.hasRoute(deadLetters));
    calls.awaitBodies(List.of("poison", "poison"));
    Inbox dead = new Inbox();
    clients.consumeInto(dead, deadLetters, "*");
    MessageExt letter = dead.awaitBodies(List.of("poison")).get(0).message();
    Check.equal(deadLetters, letter.getTopic(), "topic");
    Check.equal(result.getMsgId(), letter.getMsgId(), "message id");
    Check.equal("some-key", letter.getKeys(), "keys");
    Check.equal(clients.topic(), letter.getProperty("RETRY_TOPIC"), "topic that it came from");
    checkOrigin(result, letter);
  }

  /** The half of it that is an address is that of RocketMQ's usual port, wherever PocketMQ listens. */
  private static void checkOrigin(SendResult sent, MessageExt copy) {
    Check.equal(sent.getOffsetMsgId().substring(16), String.valueOf(copy.getProperty("ORIGIN_MESSAGE_ID")).substring(16), "place of the original");
  }
}
