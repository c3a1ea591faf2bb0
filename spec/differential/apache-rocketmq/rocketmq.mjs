// A name server and a broker of Apache RocketMQ in processes of their own, on free ports of 127.0.0.1 and in a folder that goes away with them.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "../client.mjs";

const POM = fileURLToPath(new URL("pom.xml", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/pocketmq/apache-rocketmq", import.meta.url));
const START_MS = 120_000;
const DOWNLOADS = 3;

const javaHome = process.env.JAVA_HOME;
const java = javaHome ? join(javaHome, "bin", "java") : "java";

/** Which of the commands that are needed are not there. */
export function missingCommands() {
  const needed = [
    [java, ["-version"]],
    ["mvn", ["-version"]],
  ];
  // Maven is asked once only: where the jars are it is not needed.
  const asked = existsSync(jarFolder()) ? needed.slice(0, 1) : needed;
  return asked.filter(([command, options]) => spawnSync(command, options).status !== 0).map(([command]) => command);
}

/** Other versions have other folders. */
function jarFolder() {
  return join(CACHE, createHash("sha256").update(readFileSync(POM)).digest("hex").slice(0, 16));
}

/** Those with most of the classes first: each class is looked for in one after the other. */
function classPath() {
  const folder = jarFolder();
  if (!existsSync(folder)) download(folder);
  const jars = readdirSync(folder).sort();
  const isOften = (jar) => /^(rocketmq|netty)-/.test(jar);
  return [...jars.filter(isOften), ...jars.filter((jar) => !isOften(jar))]
    .map((jar) => join(folder, jar))
    .join(delimiter);
}

/** Beside the place where they belong, so that a half of them is never taken for the whole. */
function download(folder) {
  console.log("differential: Maven gets Apache RocketMQ");
  mkdirSync(CACHE, { recursive: true });
  const next = mkdtempSync(join(CACHE, "next-"));
  const options = [
    "-B",
    "-q",
    "-f",
    POM,
    "dependency:copy-dependencies",
    "-DincludeScope=runtime",
    `-DoutputDirectory=${next}`,
  ];
  let ended;
  // A registry may not answer for a moment.
  for (let attempt = 0; attempt < DOWNLOADS && ended?.status !== 0; attempt += 1)
    ended = spawnSync("mvn", options, { encoding: "utf8" });
  const { status, stdout, stderr } = ended;
  if (status !== 0) {
    rmSync(next, { recursive: true });
    throw new Error(`mvn ended with ${status}:\n${stdout}${stderr}`);
  }
  try {
    renameSync(next, folder);
  } catch (error) {
    // Another run was faster.
    rmSync(next, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}

/** So many ports from `first` on; `undefined` where one of them is taken. */
async function tryPorts(first, count) {
  const servers = [];
  try {
    let port = first;
    for (let index = 0; index < count; index += 1) {
      const server = createServer();
      servers.push(server);
      await new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, "127.0.0.1", resolve);
      });
      port = server.address().port + 1;
    }
    return servers.map((server) => server.address().port);
  } catch {
    return undefined;
  } finally {
    for (const server of servers) server.close();
  }
}

/** That many one behind the other: a broker also listens on the port two below its own, and replicas come to the one above. */
async function freePorts(count) {
  for (;;) {
    const ports = await tryPorts(0, count);
    if (ports !== undefined) return ports;
  }
}

/** Started, and known to its name server. @param settings - of the broker, beside those that say where it is. */
export async function startRocketmq(settings) {
  const jars = classPath();
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-differential-"));
  const processes = [];
  const kill = () => {
    for (const child of processes) child.kill("SIGKILL");
  };
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  // Also when this process ends while they start.
  process.once("exit", () => {
    kill();
    remove();
  });
  const close = async () => {
    kill();
    await Promise.all(processes.map((child) => child.ended));
    remove();
  };
  try {
    const [nameserverPort, _old, _between, brokerPort, replicaPort] = await freePorts(5);
    const [nameserver, broker] = [`127.0.0.1:${nameserverPort}`, `127.0.0.1:${brokerPort}`];
    writeProperties(join(folder, "namesrv.conf"), { listenPort: nameserverPort, bindAddress: "127.0.0.1" });
    writeProperties(join(folder, "broker.conf"), {
      ...{ brokerClusterName: "DefaultCluster", brokerName: "broker-a", brokerId: 0, namesrvAddr: nameserver },
      ...{ brokerIP1: "127.0.0.1", brokerIP2: "127.0.0.1", bindAddress: "127.0.0.1" },
      ...{ listenPort: brokerPort, haListenPort: replicaPort },
      ...{ storePathRootDir: join(folder, "store"), storePathCommitLog: join(folder, "store", "commitlog") },
      // A disk that is nearly full is no reason to refuse the few messages of a scenario.
      ...{ diskMaxUsedSpaceRatio: 95, diskSpaceCleanForciblyRatio: 97, diskSpaceWarningLevelRatio: 99 },
      ...settings,
    });
    const namesrv = "org.apache.rocketmq.namesrv.NamesrvStartup";
    processes.push(
      launch(jars, folder, namesrv, ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]),
    );
    processes.push(launch(jars, folder, "org.apache.rocketmq.broker.BrokerStartup", ["-Xms256m", "-Xmx1g"]));
    await registered(nameserver, broker, processes);
    return { nameserver, broker, folder, pids: processes.map(({ pid }) => pid), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function writeProperties(file, properties) {
  writeFileSync(
    file,
    Object.entries(properties)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
}

function launch(jars, folder, main, options) {
  const name = main.includes("namesrv") ? "namesrv" : "broker";
  const log = openSync(join(folder, `${name}.out`), "w");
  // Nothing of it lies elsewhere: it is killed, and cleans up nothing.
  const own = [`-Duser.home=${folder}`, `-Djava.io.tmpdir=${folder}`, `-Drocketmq.home.dir=${folder}`];
  const properties = [...own, "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true"];
  const child = spawn(
    java,
    // Every connection here is plain: a certificate would cost each of the two seconds.
    [...options, ...properties, "-Dtls.server.mode=disabled", "-cp", jars, main, "-c", join(folder, `${name}.conf`)],
    { stdio: ["ignore", log, log], env: { ...process.env, ROCKETMQ_HOME: folder, NAMESRV_ADDR: "" } },
  );
  closeSync(log);
  child.ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  child.log = () =>
    readFileSync(join(folder, `${name}.out`), "utf8")
      .split("\n")
      .slice(-20)
      .join("\n");
  child.label = name;
  return child;
}

/** Every broker tells its name server of a topic with the name of its cluster. */
async function registered(nameserver, broker, processes) {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline) {
    const ended = processes.find(
      ({ exitCode, signalCode, pid }) => pid === undefined || exitCode !== null || signalCode !== null,
    );
    if (ended !== undefined) throw new Error(`Apache RocketMQ's ${ended.label} ended by itself:\n${ended.log()}`);
    if (await knows(nameserver, broker)) return;
    await sleep(50);
  }
  throw new Error(
    `Apache RocketMQ was not ready in ${START_MS / 1000} s:\n${processes.map((child) => child.log()).join("\n")}`,
  );
}

async function knows(nameserver, broker) {
  let client;
  try {
    client = await Client.open(nameserver);
    const route = await client.ask({ code: 105, fields: { topic: "DefaultCluster" } });
    return route.code === 0 && route.body.toString().includes(broker);
  } catch {
    // Nobody listens yet.
    return false;
  } finally {
    client?.close();
  }
}
