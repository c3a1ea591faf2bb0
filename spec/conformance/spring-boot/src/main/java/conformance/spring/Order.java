package conformance.spring;

import java.time.LocalDate;
import java.util.List;

/** A payload that the starter turns into JSON and back. */
public record Order(String id, String customer, LocalDate day, List<Integer> amounts) {}
