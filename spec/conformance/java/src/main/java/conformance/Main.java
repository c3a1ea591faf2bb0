package conformance;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * `Main NAMESERVER RUN [SCENARIO…]`: runs scenarios side by side, and writes one line for each, its parts between tabs: `ok NAME MS` or `failed NAME WHY`.
 */
public final class Main {
  interface Scenario {
    void run(Clients clients) throws Exception;
  }

  private static final int AT_ONCE = 8;

  private Main() {}

  private static Map<String, Scenario> scenarios() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    // Those that wait longest first.
    all.putAll(RetryScenarios.all());
    all.putAll(TransactionScenarios.all());
    all.putAll(OrderlyScenarios.all());
    all.putAll(ConsumingScenarios.all());
    all.putAll(LitePullScenarios.all());
    all.putAll(SendingScenarios.all());
    return all;
  }

  public static void main(String[] arguments) throws Exception {
    String nameserver = arguments[0];
    String run = arguments[1];
    List<String> wanted = List.of(arguments).subList(2, arguments.length);
    Map<String, Scenario> scenarios = scenarios();
    if (!wanted.isEmpty()) scenarios.keySet().retainAll(wanted);
    ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
    scenarios.forEach((name, scenario) -> pool.execute(() -> report(name, scenario, new Clients(nameserver, name + "-" + run))));
    pool.shutdown();
    pool.awaitTermination(10, TimeUnit.MINUTES);
    // Threads of clients are no daemons, and some outlive their clients.
    System.exit(0);
  }

  private static void report(String name, Scenario scenario, Clients clients) {
    Report.run(name, () -> {
      try (clients) {
        scenario.run(clients);
      }
    });
  }
}
