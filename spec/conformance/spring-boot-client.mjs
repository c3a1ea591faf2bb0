import { mavenProgram } from "./maven.mjs";
import { runScenarios } from "./processes.mjs";

const SCENARIOS = [
  ...["send-sync", "send-async", "send-oneway", "send-batch", "json", "delay"],
  ...["clustering", "broadcasting", "tags", "restart", "orderly", "retry", "dead-letter"],
  ...["transaction", "transaction-checked", "receive"],
];

export function springBootClient() {
  const program = mavenProgram("spring-boot", "spring-boot", {});
  return {
    name: "spring-boot",
    tools: ["java", "mvn"],
    scenarios: SCENARIOS,
    prepare: () => program.compile(),
    run({ nameserver, wanted }) {
      const main = ["conformance.spring.Main", nameserver, Date.now().toString(36), ...wanted];
      return runScenarios("java", [...program.javaOptions(), ...main], {});
    },
  };
}
