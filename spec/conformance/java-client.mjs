import { mavenProgram } from "./maven.mjs";
import { runScenarios } from "./processes.mjs";

const SCENARIOS = [
  ...["send-sync", "send-async", "send-oneway", "send-batch", "send-refused", "content", "content-compressed", "delay"],
  ...["clustering", "broadcasting", "tags", "restart", "long-polling"],
  ...["orderly", "orderly-shared", "orderly-dead-letter", "retry", "retry-default-delay", "dead-letter"],
  ...["transaction", "transaction-checked", "lite-pull-subscribe", "lite-pull-tags", "lite-pull-assign"],
];

/** The program with this version of the client: how it is compiled, and run with scenarios and options of the JVM. */
export function javaProgram(name, version) {
  const program = mavenProgram(name, "java", { "rocketmq.version": version });
  return {
    tools: ["java", "mvn"],
    prepare: () => program.compile(),
    run(nameserver, run, scenarios, { options = [], server = "pocketmq" } = {}) {
      const main = ["conformance.Main", nameserver, run, ...scenarios];
      const env = { ...process.env, CONFORMANCE_SERVER: server };
      return runScenarios("java", [...program.javaOptions(), ...options, ...main], { env });
    },
  };
}

/** All scenarios with both forms of headers side by side. */
export function javaClient(name, version) {
  const program = javaProgram(name, version);
  return {
    name,
    tools: program.tools,
    scenarios: FORMS.flatMap(({ suffix }) => SCENARIOS.map((scenario) => scenario + suffix)),
    prepare: program.prepare,
    async run({ nameserver, wanted, isRocketMq }) {
      const runs = FORMS.map(async ({ suffix, options }) => {
        const chosen = SCENARIOS.filter((scenario) => wanted.includes(scenario + suffix));
        if (chosen.length === 0) return { reports: [], output: "", error: undefined };
        const server = isRocketMq ? "rocketmq" : "pocketmq";
        const ended = await program.run(nameserver, `${Date.now().toString(36)}${suffix}`, chosen, { options, server });
        const reports = ended.reports.map((report) => ({ ...report, scenario: report.scenario + suffix }));
        return { ...ended, reports };
      });
      const ended = await Promise.all(runs);
      return {
        reports: ended.flatMap(({ reports }) => reports),
        output: ended.map(({ output }) => output).join("\n"),
        error: ended.find(({ error }) => error !== undefined)?.error,
      };
    },
  };
}

const FORMS = [
  { suffix: "", options: [] },
  { suffix: "-binary", options: ["-Drocketmq.serialize.type=ROCKETMQ"] },
];
