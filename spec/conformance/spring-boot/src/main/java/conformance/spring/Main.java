package conformance.spring;

import conformance.Report;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** `Main NAMESERVER RUN [SCENARIO…]`: runs scenarios side by side on applications that they share, and writes a line for each. */
public final class Main {
  interface Scenario {
    /** @param topic of the scenario alone */
    void run(Applications applications, String topic) throws Exception;
  }

  private Main() {}

  private static Map<String, Scenario> scenarios() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    all.putAll(TransactionScenarios.all());
    all.putAll(ConsumingScenarios.all());
    all.putAll(SendingScenarios.all());
    return all;
  }

  public static void main(String[] arguments) throws Exception {
    List<String> wanted = List.of(arguments).subList(2, arguments.length);
    Map<String, Scenario> scenarios = scenarios();
    Applications applications = new Applications(arguments[0], arguments[1], List.copyOf(scenarios.keySet()));
    if (!wanted.isEmpty()) scenarios.keySet().retainAll(wanted);
    ExecutorService pool = Executors.newFixedThreadPool(scenarios.size());
    scenarios.forEach((name, scenario) -> pool.execute(() -> Report.run(name, () -> scenario.run(applications, applications.topic(name)))));
    pool.shutdown();
    pool.awaitTermination(10, TimeUnit.MINUTES);
    // Threads of clients are no daemons.
    System.exit(0);
  }
}
