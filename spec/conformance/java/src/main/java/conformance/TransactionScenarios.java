package conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Half messages, their ends and their checks. Bodies say what becomes of them. */
final class TransactionScenarios {
  private TransactionScenarios() {}

  static Map<String, Main.Scenario> all() {
    return new TreeMap<>(Map.of("transaction", TransactionScenarios::ends, "transaction-checked", TransactionScenarios::checked));
  }

  private static final class Listener implements TransactionListener {
    final Map<String, AtomicInteger> checks = new ConcurrentHashMap<>();
    final Map<String, MessageExt> checked = new ConcurrentHashMap<>();

    @Override
    public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
      return (LocalTransactionState) argument;
    }

    @Override
    public LocalTransactionState checkLocalTransaction(MessageExt message) {
      String body = Inbox.text(message);
      checked.put(body, message);
      int times = checks.computeIfAbsent(body, none -> new AtomicInteger()).incrementAndGet();
      if (body.startsWith("committed")) return LocalTransactionState.COMMIT_MESSAGE;
      if (body.startsWith("rolled-back")) return LocalTransactionState.ROLLBACK_MESSAGE;
      return times < 2 ? LocalTransactionState.UNKNOW : LocalTransactionState.COMMIT_MESSAGE;
    }

    int checksOf(String body) {
      return checks.getOrDefault(body, new AtomicInteger()).get();
    }
  }

  private static TransactionSendResult send(TransactionMQProducer producer, Message message, LocalTransactionState state) throws Exception {
    TransactionSendResult result = producer.sendMessageInTransaction(message, state);
    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
    Check.equal(state, result.getLocalTransactionState(), "local state");
    Check.equal(result.getMsgId(), result.getTransactionId(), "transaction id");
    return result;
  }

  private static void ends(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    clients.awaitShares(clients.consumeInto(inbox));
    Listener listener = new Listener();
    TransactionMQProducer producer = clients.transactionProducer(listener);
    List<String> committed = Clients.bodies("commit", 6);
    for (String body : Clients.bodies("rollback", 6)) send(producer, clients.message(body), LocalTransactionState.ROLLBACK_MESSAGE);
    Map<String, TransactionSendResult> results = new TreeMap<>();
    for (String body : committed) {
      Message message = clients.message(body);
      message.setTags("tag-" + body);
      results.put(body, send(producer, message, LocalTransactionState.COMMIT_MESSAGE));
    }

    for (Inbox.Entry entry : inbox.awaitBodies(committed)) {
      Check.equal("tag-" + entry.body(), entry.message().getTags(), "tag");
      Check.equal(results.get(entry.body()).getMsgId(), entry.message().getMsgId(), "message id");
      Check.equal(results.get(entry.body()).getTransactionId(), entry.message().getTransactionId(), "transaction id");
      Check.equal(clients.topic(), entry.message().getTopic(), "topic");
    }
    // Longer than the time after which the broker asks.
    Thread.sleep(5_000);
    inbox.awaitBodies(committed);
    Check.equal(Map.of(), listener.checked, "checks of what has ended");
  }

  private static void checked(Clients clients) throws Exception {
    clients.openTopic();
    Inbox inbox = new Inbox();
    clients.awaitShares(clients.consumeInto(inbox));
    Listener listener = new Listener();
    TransactionMQProducer producer = clients.transactionProducer(listener);
    List<String> all = new ArrayList<>(Clients.bodies("committed", 3));
    all.add("unknown-once");
    List<String> expected = List.copyOf(all);
    all.addAll(Clients.bodies("rolled-back", 3));
    Map<String, TransactionSendResult> results = new TreeMap<>();
    for (String body : all) results.put(body, send(producer, clients.message(body), LocalTransactionState.UNKNOW));
    Check.equal(List.of(), inbox.bodies(), "messages of transactions that are not decided");

    inbox.awaitBodies(expected);
    Check.eventually("every message is asked for", () -> listener.checks.keySet().containsAll(all));
    for (String body : all) {
      MessageExt asked = listener.checked.get(body);
      Check.equal(results.get(body).getMsgId(), asked.getUserProperty("UNIQ_KEY"), "message id of " + body);
      Check.equal(results.get(body).getTransactionId(), asked.getTransactionId(), "transaction id of " + body);
      Check.equal(clients.topic(), asked.getTopic(), "topic of " + body);
    }
    Check.equal(2, listener.checksOf("unknown-once"), "checks of what is unknown at first");
    Thread.sleep(3_000);
    inbox.awaitBodies(expected);
    Check.equal(2, listener.checksOf("unknown-once"), "checks of what is committed");
  }
}
