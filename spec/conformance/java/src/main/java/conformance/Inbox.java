package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.common.message.MessageExt;

/** What listeners were given, in the order in which they were. */
public final class Inbox {
  /** The body of the message that makes a topic, which no scenario counts. */
  static final String OPENING = "opening";

  /** So long it is waited for messages that must not come. */
  private static final long SILENCE_MS = 400;

  /** @param atMs when it came */
  public record Entry(MessageExt message, String body, long atMs) {}

  private final List<Entry> entries = new ArrayList<>();

  public static String text(MessageExt message) {
    return new String(message.getBody(), StandardCharsets.UTF_8);
  }

  public void add(List<MessageExt> messages) {
    messages.forEach(this::add);
  }

  public synchronized void add(MessageExt message) {
    if (!text(message).equals(OPENING)) entries.add(new Entry(message, text(message), System.currentTimeMillis()));
  }

  public synchronized List<Entry> entries() {
    return List.copyOf(entries);
  }

  public List<String> bodies() {
    return entries().stream().map(Entry::body).toList();
  }

  /** Waits for so many, and sees that no more come. */
  public List<Entry> await(int count) throws Exception {
    Check.eventually(count + " messages, last seen: " + this, () -> entries().size() >= count);
    Thread.sleep(SILENCE_MS);
    Check.that(entries().size() == count, "expected " + count + " messages, got " + bodies());
    return entries();
  }

  /** Waits for exactly these, in whatever order. */
  public List<Entry> awaitBodies(List<String> expected) throws Exception {
    try {
      Check.eventually("", () -> entries().size() >= expected.size());
    } catch (AssertionError tooFew) {
      Check.equal(sorted(expected), sorted(bodies()), "bodies");
    }
    Thread.sleep(SILENCE_MS);
    Check.equal(sorted(expected), sorted(bodies()), "bodies");
    return entries();
  }

  public static List<String> sorted(List<String> bodies) {
    return bodies.stream().sorted().toList();
  }
}
