package conformance;

/** The line that is written for each scenario, its parts between tabs: `ok NAME MS` or `failed NAME WHY`. */
public final class Report {
  private Report() {}

  public static void run(String name, Check.Call scenario) {
    long began = System.currentTimeMillis();
    try {
      scenario.run();
      say("ok", name, String.valueOf(System.currentTimeMillis() - began));
    } catch (AssertionError wrong) {
      say("failed", name, wrong.getMessage());
    } catch (Throwable error) {
      say("failed", name, error.toString());
      error.printStackTrace();
    }
  }

  private static void say(String verdict, String name, String detail) {
    System.out.println(String.join("\t", verdict, name, detail.replaceAll("[\t\r\n]+", " ")));
  }
}
