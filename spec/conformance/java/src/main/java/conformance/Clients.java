package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/** Makes the clients of one scenario, each an instance of its own, and closes them at its end. */
final class Clients implements AutoCloseable {
  private static final AtomicInteger INSTANCES = new AtomicInteger();

  private final String nameserver;
  private final String name;
  private final List<Runnable> closings = new ArrayList<>();
  private DefaultMQProducer producer;

  /** @param name what topics and groups begin with: nobody else uses it */
  Clients(String nameserver, String name) {
    this.nameserver = nameserver;
    this.name = name;
  }

  /** Whether the scenarios are tried out on Apache RocketMQ itself; where it differs, lib/wire/COMPATIBILITY.md says why. */
  boolean isRocketMq() {
    return "rocketmq".equals(System.getenv("CONFORMANCE_SERVER"));
  }

  String topic() {
    return name;
  }

  String group() {
    return name + "-group";
  }

  /** A message with this text to the topic. */
  Message message(String body) {
    return new Message(topic(), body.getBytes(StandardCharsets.UTF_8));
  }

  /** prefix-0, prefix-1 … */
  static List<String> bodies(String prefix, int count) {
    return IntStream.range(0, count).mapToObj(index -> prefix + "-" + index).toList();
  }

  DefaultMQProducer producer() throws Exception {
    if (producer == null) {
      producer = started(new DefaultMQProducer(name + "-producers"));
    }
    return producer;
  }

  TransactionMQProducer transactionProducer(TransactionListener listener) throws Exception {
    TransactionMQProducer transactions = new TransactionMQProducer(name + "-transactions");
    transactions.setTransactionListener(listener);
    return started(transactions);
  }

  private <P extends DefaultMQProducer> P started(P made) throws Exception {
    configure(made);
    made.setSendMsgTimeout(10_000);
    made.start();
    closings.add(made::shutdown);
    return made;
  }

  /** Sends one message that nobody counts, as a topic is there from the first message on, and consumers that come before it wait for a long time. */
  void openTopic() throws Exception {
    producer().send(message(Inbox.OPENING));
    Check.eventually("a route of " + topic(), () -> hasRoute(topic()));
  }

  boolean hasRoute(String topic) {
    try {
      return !producer().fetchPublishMessageQueues(topic).isEmpty();
    } catch (Exception noRoute) {
      return false;
    }
  }

  void send(List<String> bodies) throws Exception {
    for (String body : bodies) producer().send(message(body));
  }

  /** Not started yet: a scenario may set more. */
  DefaultMQPushConsumer pushConsumer(String topic, String expression, MessageListenerConcurrently listener) throws Exception {
    DefaultMQPushConsumer consumer = pushConsumer(topic, expression);
    consumer.registerMessageListener(listener);
    return consumer;
  }

  DefaultMQPushConsumer orderlyConsumer(MessageListenerOrderly listener) throws Exception {
    DefaultMQPushConsumer consumer = pushConsumer(topic(), "*");
    consumer.registerMessageListener(listener);
    return consumer;
  }

  /** Started; what it consumes is in the inbox. */
  DefaultMQPushConsumer consumeInto(Inbox inbox) throws Exception {
    return consumeInto(inbox, topic(), "*");
  }

  DefaultMQPushConsumer consumeInto(Inbox inbox, String topic, String expression) throws Exception {
    DefaultMQPushConsumer consumer = pushConsumer(topic, expression, into(inbox));
    consumer.start();
    return consumer;
  }

  static MessageListenerConcurrently into(Inbox inbox) {
    return (messages, context) -> {
      inbox.add(messages);
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    };
  }

  private DefaultMQPushConsumer pushConsumer(String topic, String expression) throws Exception {
    boolean isOwn = topic.equals(topic());
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(isOwn ? group() : name + "-others");
    configure(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, expression);
    // It pulls before it has told that its queues changed, at RocketMQ too, is refused with 25, and waits for a second or three.
    consumer.getDefaultMQPushConsumerImpl().setPullTimeDelayMillsWhenException(100);
    closings.add(consumer::shutdown);
    return consumer;
  }

  /** Not started yet. */
  DefaultLitePullConsumer litePullConsumer() {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group());
    configure(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.setAutoCommit(false);
    closings.add(consumer::shutdown);
    return consumer;
  }

  private void configure(ClientConfig client) {
    client.setNamesrvAddr(nameserver);
    client.setInstanceName("instance-" + INSTANCES.incrementAndGet());
    client.setPollNameServerInterval(1_000);
    client.setHeartbeatBrokerInterval(5_000);
  }

  /** The queues of the topic that a member reads at the moment. */
  Set<Integer> queuesOf(DefaultMQPushConsumer consumer) {
    return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().entrySet().stream()
        .filter(entry -> entry.getKey().getTopic().equals(topic()) && !entry.getValue().isDropped())
        .map(entry -> entry.getKey().getQueueId())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Waits until the queues of the topic, 4, are shared without overlap. */
  void awaitShares(DefaultMQPushConsumer... members) throws Exception {
    Check.eventually("the queues are shared", () -> {
      Set<Integer> all = new TreeSet<>();
      int sum = 0;
      for (DefaultMQPushConsumer member : members) {
        Set<Integer> share = queuesOf(member);
        if (share.size() != 4 / members.length) return false;
        sum += share.size();
        all.addAll(share);
      }
      return all.size() == 4 && sum == 4;
    });
  }

  @Override
  public void close() {
    for (int last = closings.size() - 1; last >= 0; last -= 1) closings.get(last).run();
  }
}
