package conformance.spring;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.spring.annotation.RocketMQTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.springframework.context.annotation.Profile;
import org.springframework.messaging.Message;

/** Does as it is told; asked later, the body says what became of it. */
@RocketMQTransactionListener
@Profile("sending")
class Transactions implements RocketMQLocalTransactionListener {
  final Map<String, AtomicInteger> checks = new ConcurrentHashMap<>();
  final Map<String, Message<?>> checked = new ConcurrentHashMap<>();

  @Override
  public RocketMQLocalTransactionState executeLocalTransaction(Message message, Object argument) {
    return (RocketMQLocalTransactionState) argument;
  }

  @Override
  public RocketMQLocalTransactionState checkLocalTransaction(Message message) {
    String body = new String((byte[]) message.getPayload(), StandardCharsets.UTF_8);
    checked.put(body, message);
    int times = checks.computeIfAbsent(body, none -> new AtomicInteger()).incrementAndGet();
    if (body.startsWith("committed")) return RocketMQLocalTransactionState.COMMIT;
    if (body.startsWith("rolled-back")) return RocketMQLocalTransactionState.ROLLBACK;
    return times < 2 ? RocketMQLocalTransactionState.UNKNOWN : RocketMQLocalTransactionState.COMMIT;
  }

  int checksOf(String body) {
    return checks.getOrDefault(body, new AtomicInteger()).get();
  }
}
