package conformance.spring;

import conformance.Inbox;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.ConsumeMode;
import org.apache.rocketmq.spring.annotation.MessageModel;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQPushConsumerLifecycleListener;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Profile;
import org.springframework.stereotype.Component;

/** One listener for each scenario, which keeps what it is given. Profiles: most are in one application, two in `another` too, and some in one of their own. */
final class Listeners {
  private Listeners() {}

  /**
   * A client whose queues change while a heartbeat of it is under way sends no other one, and its pulls are refused (25) until the next, by Apache RocketMQ too. Both
   * happen a second after its start, and the next heartbeat would come 30 s later.
   */
  interface SoonHeard extends RocketMQPushConsumerLifecycleListener {
    @Override
    default void prepareStart(DefaultMQPushConsumer consumer) {
      consumer.setHeartbeatBrokerInterval(2_000);
    }
  }

  abstract static class Keeping implements RocketMQListener<MessageExt>, SoonHeard {
    final Inbox inbox = new Inbox();

    @Override
    public void onMessage(MessageExt message) {
      inbox.add(message);
    }
  }

  @RocketMQMessageListener(topic = "send-sync-${conformance.run}", consumerGroup = "send-sync-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class SendSync extends Keeping {}

  @RocketMQMessageListener(topic = "send-async-${conformance.run}", consumerGroup = "send-async-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class SendAsync extends Keeping {}

  @RocketMQMessageListener(topic = "send-oneway-${conformance.run}", consumerGroup = "send-oneway-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class SendOneway extends Keeping {}

  @RocketMQMessageListener(topic = "send-batch-${conformance.run}", consumerGroup = "send-batch-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class SendBatch extends Keeping {}

  @RocketMQMessageListener(topic = "json-${conformance.run}", consumerGroup = "json-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class Json implements RocketMQListener<Order>, SoonHeard {
    final List<Order> orders = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(Order order) {
      orders.add(order);
    }
  }

  /** The same messages as they are on the wire. */
  @RocketMQMessageListener(topic = "json-${conformance.run}", consumerGroup = "json-${conformance.run}-raw")
  @Component
  @Profile("consuming")
  static final class RawJson extends Keeping {}

  @RocketMQMessageListener(topic = "delay-${conformance.run}", consumerGroup = "delay-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class Delay extends Keeping {}

  @RocketMQMessageListener(topic = "tags-${conformance.run}", consumerGroup = "tags-${conformance.run}-group", selectorExpression = "a || b")
  @Component
  @Profile("consuming")
  static final class Tags extends Keeping {}

  @RocketMQMessageListener(topic = "clustering-${conformance.run}", consumerGroup = "clustering-${conformance.run}-group")
  @Component
  @Profile({"consuming", "another"})
  static final class Clustering extends Keeping {}

  @RocketMQMessageListener(
      topic = "broadcasting-${conformance.run}",
      consumerGroup = "broadcasting-${conformance.run}-group",
      messageModel = MessageModel.BROADCASTING)
  @Component
  @Profile({"consuming", "another"})
  static final class Broadcasting extends Keeping {
    private final String instance;

    Broadcasting(@Value("${conformance.instance}") String instance) {
      this.instance = instance;
    }

    /** Two applications in one process would be one client: RocketMQ tells those that broadcast by this name. */
    @Override
    public void prepareStart(DefaultMQPushConsumer consumer) {
      super.prepareStart(consumer);
      consumer.setInstanceName(instance);
    }
  }

  @RocketMQMessageListener(
      topic = "orderly-${conformance.run}",
      consumerGroup = "orderly-${conformance.run}-group",
      consumeMode = ConsumeMode.ORDERLY,
      suspendCurrentQueueTimeMillis = 200)
  @Component
  @Profile("consuming")
  static final class Orderly extends Keeping {
    @Override
    public void onMessage(MessageExt message) {
      super.onMessage(message);
      if (Inbox.text(message).equals("key-1:2") && message.getReconsumeTimes() == 0) throw new IllegalStateException("the first time");
    }
  }

  @RocketMQMessageListener(topic = "retry-${conformance.run}", consumerGroup = "retry-${conformance.run}-group", delayLevelWhenNextConsume = 1)
  @Component
  @Profile("consuming")
  static final class Retry extends Keeping {
    @Override
    public void onMessage(MessageExt message) {
      super.onMessage(message);
      if (Inbox.text(message).equals("fails-twice") && message.getReconsumeTimes() < 2) throw new IllegalStateException("twice");
    }
  }

  @RocketMQMessageListener(
      topic = "dead-letter-${conformance.run}",
      consumerGroup = "dead-letter-${conformance.run}-group",
      delayLevelWhenNextConsume = 1,
      maxReconsumeTimes = 1)
  @Component
  @Profile("consuming")
  static final class Poisoned extends Keeping {
    @Override
    public void onMessage(MessageExt message) {
      super.onMessage(message);
      if (Inbox.text(message).equals("poison")) throw new IllegalStateException("always");
    }
  }

  @RocketMQMessageListener(topic = "%DLQ%dead-letter-${conformance.run}-group", consumerGroup = "dead-letter-${conformance.run}-letters")
  @Component
  @Profile("dead-letters")
  static final class DeadLetters extends Keeping {}

  @RocketMQMessageListener(topic = "restart-${conformance.run}", consumerGroup = "restart-${conformance.run}-group")
  @Component
  @Profile("restarting")
  static final class Restart extends Keeping {}

  @RocketMQMessageListener(topic = "transaction-${conformance.run}", consumerGroup = "transaction-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class Committed extends Keeping {}

  @RocketMQMessageListener(topic = "transaction-checked-${conformance.run}", consumerGroup = "transaction-checked-${conformance.run}-group")
  @Component
  @Profile("consuming")
  static final class Checked extends Keeping {}
}
