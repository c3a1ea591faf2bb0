package conformance;

import java.util.Objects;

/** What a scenario asserts. */
public final class Check {
  private static final long PATIENCE_MS = 30_000;

  public interface Condition {
    boolean holds() throws Exception;
  }

  public interface Call {
    void run() throws Exception;
  }

  private Check() {}

  public static void equal(Object expected, Object actual, String what) {
    that(Objects.equals(expected, actual), what + ": expected " + expected + ", got " + actual);
  }

  public static void that(boolean claim, String otherwise) {
    if (!claim) throw new AssertionError(otherwise);
  }

  /** Waits for what takes its time: a rebalance, a delivery. */
  public static void eventually(String what, Condition condition) throws Exception {
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    while (!condition.holds()) {
      that(System.currentTimeMillis() < deadline, "not within " + PATIENCE_MS + " ms: " + what);
      Thread.sleep(20);
    }
  }

  public static <E extends Exception> E fails(Class<E> type, String what, Call call) throws Exception {
    try {
      call.run();
    } catch (Exception error) {
      if (type.isInstance(error)) return type.cast(error);
      throw error;
    }
    throw new AssertionError(what + ": expected " + type.getSimpleName() + ", it succeeded");
  }
}
