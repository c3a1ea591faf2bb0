package conformance.spring;

import org.springframework.boot.autoconfigure.SpringBootApplication;

/** As anybody would write it: what it sends and consumes depends on its profile, where to on `rocketmq.name-server`. */
@SpringBootApplication
public class Application {}
