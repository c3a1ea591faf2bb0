import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cacheFolder, mustRun, sourceFolder } from "./processes.mjs";

/** A program of a source folder, compiled into a cache folder of its own. */
export function mavenProgram(name, source, properties) {
  const folder = cacheFolder(name);
  const classpath = join(folder, "classpath");
  return {
    async compile() {
      const all = { ...properties, buildDirectory: folder, "mdep.outputFile": classpath };
      const options = Object.entries(all).map(([key, value]) => `-D${key}=${value}`);
      await mustRun("mvn", ["-q", "-B", ...options, "compile", "dependency:build-classpath"], {
        cwd: sourceFolder(source),
        timeoutMs: 600_000,
      });
    },
    /** What comes before the name of the main class. */
    javaOptions() {
      return [
        // Clients write logs and broadcasting offsets to the home of the user, and of a message that is refused they log its body.
        `-Duser.home=${folder}`,
        "-Drocketmq.client.logLevel=ERROR",
        "-Drocketmq.log.level=ERROR",
        "-Drocketmq.client.rebalance.waitInterval=2000",
        // Starts twice as fast, which is most of what a short run takes.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        [join(folder, "classes"), readFileSync(classpath, "utf8").trim()].join(delimiter),
      ];
    },
  };
}
