package conformance.spring;

import static org.apache.rocketmq.spring.core.RocketMQLocalTransactionState.COMMIT;
import static org.apache.rocketmq.spring.core.RocketMQLocalTransactionState.ROLLBACK;
import static org.apache.rocketmq.spring.core.RocketMQLocalTransactionState.UNKNOWN;

import conformance.Check;
import conformance.Inbox;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;

/** `sendMessageInTransaction` and the listener of the template. */
final class TransactionScenarios {
  private TransactionScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of("transaction", TransactionScenarios::ends, "transaction-checked", TransactionScenarios::checked));
  }

  private static TransactionSendResult send(Applications applications, String topic, String body, RocketMQLocalTransactionState state) {
    Message<String> message = MessageBuilder.withPayload(body).setHeader(RocketMQHeaders.KEYS, "key-" + body).build();
    TransactionSendResult result = applications.template().sendMessageInTransaction(topic + ":some-tag", message, state);
    SendingScenarios.checkSent(result, topic);
    Check.equal(result.getMsgId(), result.getTransactionId(), "transaction id");
    return result;
  }

  private static void ends(Applications applications, String topic) throws Exception {
    List<String> committed = SendingScenarios.bodies("commit", 5);
    Map<String, TransactionSendResult> results = new TreeMap<>();
    for (String body : SendingScenarios.bodies("rollback", 5)) send(applications, topic, body, ROLLBACK);
    for (String body : committed) results.put(body, send(applications, topic, body, COMMIT));

    Inbox inbox = applications.listener(Listeners.Committed.class).inbox;
    for (Inbox.Entry entry : inbox.awaitBodies(committed)) {
      Check.equal("some-tag", entry.message().getTags(), "tag");
      Check.equal("key-" + entry.body(), entry.message().getKeys(), "keys");
      Check.equal(results.get(entry.body()).getMsgId(), entry.message().getMsgId(), "message id");
    }
    // Longer than the time after which the broker asks.
    Thread.sleep(5_000);
    inbox.awaitBodies(committed);
    List<String> asked = applications.transactions().checks.keySet().stream().filter(body -> body.matches("(commit|rollback)-.*")).toList();
    Check.equal(List.of(), asked, "checks of what has ended");
  }

  private static void checked(Applications applications, String topic) throws Exception {
    List<String> all = new ArrayList<>(SendingScenarios.bodies("committed", 3));
    all.add("unknown-once");
    List<String> expected = List.copyOf(all);
    all.addAll(SendingScenarios.bodies("rolled-back", 3));
    Inbox inbox = applications.listener(Listeners.Checked.class).inbox;
    Map<String, TransactionSendResult> results = new TreeMap<>();
    for (String body : all) results.put(body, send(applications, topic, body, UNKNOWN));
    Check.equal(List.of(), inbox.bodies(), "messages of transactions that are not decided");

    Transactions transactions = applications.transactions();
    inbox.awaitBodies(expected);
    Check.eventually("every message is asked for", () -> transactions.checks.keySet().containsAll(all));
    for (String body : all) {
      Message<?> asked = transactions.checked.get(body);
      Check.equal(results.get(body).getTransactionId(), asked.getHeaders().get("rocketmq_TRANSACTION_ID"), "transaction id of " + body);
      Check.equal(topic, asked.getHeaders().get("rocketmq_TOPIC"), "topic of " + body);
      Check.equal("some-tag", asked.getHeaders().get("rocketmq_TAGS"), "tag of " + body);
      Check.equal("key-" + body, asked.getHeaders().get("rocketmq_KEYS"), "keys of " + body);
    }
    Check.equal(2, transactions.checksOf("unknown-once"), "checks of what is unknown at first");
    Thread.sleep(3_000);
    inbox.awaitBodies(expected);
    Check.equal(2, transactions.checksOf("unknown-once"), "checks of what is committed");
  }
}
