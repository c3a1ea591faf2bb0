package conformance.spring;

import conformance.Check;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.spring.annotation.MessageModel;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.apache.rocketmq.spring.support.DefaultRocketMQListenerContainer;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;

/** Those that run all the time: one that sends, one that consumes, and another member of two of its groups. Scenarios may start more. */
final class Applications {
  /** Of each topic. */
  private static final int QUEUES = 4;

  private final String nameserver;
  private final String run;
  private final ConfigurableApplicationContext sending;
  private final ConfigurableApplicationContext consuming;
  private final ConfigurableApplicationContext another;

  /** The topics are made before those that consume start: who comes before its topic looks for it twice a minute. */
  Applications(String nameserver, String run, List<String> topics) throws Exception {
    this.nameserver = nameserver;
    this.run = run;
    sending = start("sending");
    for (String name : topics) {
      template().getProducer().createTopic("TBW102", topic(name), QUEUES, Map.of());
      Check.eventually("a route of " + topic(name), () -> hasRoute(topic(name)));
    }
    consuming = start("consuming");
    another = start("another");
    awaitShares();
  }

  ConfigurableApplicationContext start(String profile) {
    return new SpringApplicationBuilder(Application.class)
        .profiles(profile)
        // Closing a listener takes half a second, which those that run to the end are spared.
        .registerShutdownHook(false)
        .run("--rocketmq.name-server=" + nameserver, "--conformance.run=" + run, "--conformance.instance=" + profile + "-" + run);
  }

  String topic(String scenario) {
    return scenario + "-" + run;
  }

  RocketMQTemplate template() {
    return sending.getBean(RocketMQTemplate.class);
  }

  Transactions transactions() {
    return sending.getBean(Transactions.class);
  }

  <L> L listener(Class<L> type) {
    return consuming.getBean(type);
  }

  <L> L other(Class<L> type) {
    return another.getBean(type);
  }

  boolean hasRoute(String topic) {
    DefaultMQProducer producer = template().getProducer();
    try {
      return !producer.fetchPublishMessageQueues(topic).isEmpty();
    } catch (Exception noRoute) {
      return false;
    }
  }

  /** Until every listener has its queues: what came in between would not be new to a consumer of new messages. */
  private void awaitShares() throws Exception {
    List<DefaultRocketMQListenerContainer> listeners = new ArrayList<>();
    for (ConfigurableApplicationContext application : List.of(consuming, another)) {
      listeners.addAll(application.getBeansOfType(DefaultRocketMQListenerContainer.class).values());
    }
    for (DefaultRocketMQListenerContainer listener : listeners) {
      long members = listeners.stream().filter(other -> other.getConsumerGroup().equals(listener.getConsumerGroup())).count();
      boolean hasAll = listener.getMessageModel() == MessageModel.BROADCASTING;
      long share = hasAll ? QUEUES : QUEUES / members;
      Check.eventually(share + " queues of " + listener.getTopic(), () -> queuesOf(listener.getConsumer(), listener.getTopic()).size() == share);
    }
  }

  private static Set<Integer> queuesOf(DefaultMQPushConsumer consumer, String topic) {
    return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().entrySet().stream()
        .filter(entry -> entry.getKey().getTopic().equals(topic) && !entry.getValue().isDropped())
        .map(entry -> entry.getKey().getQueueId())
        .collect(Collectors.toSet());
  }
}
