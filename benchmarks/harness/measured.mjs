/** Measures one phase inside a trial's process. */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSecondsOf } from "../servers/cpu.mjs";

const NS_PER_MS = 1e6;
const LOOP_RESOLUTION_MS = 1;

/**
 * Runs `work`; what it took, and with `profile` a CPU profile of exactly this phase in that file. The CPU of a `server` counts too; where it cannot
 * be known there is no figure.
 */
export async function measured(work, { profile, server } = {}) {
  globalThis.gc?.();
  const session = profile === undefined ? undefined : await startProfile();
  const serverBefore = server && cpuSecondsOf(server.pid);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const serverAfter = server && cpuSecondsOf(server.pid);
  if (session !== undefined) {
    const { profile: taken } = await session.post("Profiler.stop");
    writeFileSync(profile, JSON.stringify(taken));
  }
  const own = (cpu.user + cpu.system) / 1e6;
  if (server === undefined) return { seconds, cpuSeconds: own };
  return serverBefore === undefined ? { seconds } : { seconds, cpuSeconds: own + serverAfter - serverBefore };
}

export function perMessage({ seconds, cpuSeconds }, messages) {
  const rate = messages / seconds;
  return cpuSeconds === undefined ? { rate } : { rate, cpuMicroseconds: (cpuSeconds * 1e6) / messages };
}

async function startProfile() {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  return session;
}

/** How late a 1 ms timer fires while `work` runs; where it never yields, by as long as it runs. */
export async function withLoopDelay(work) {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  // It measures from one firing to the next: one before the work, one after it.
  await sleep(3 * LOOP_RESOLUTION_MS);
  const result = await work();
  await sleep(3 * LOOP_RESOLUTION_MS);
  delay.disable();
  const late = (nanoseconds) => Math.max(0, nanoseconds / NS_PER_MS - LOOP_RESOLUTION_MS);
  return { ...result, loopDelayP99Ms: late(delay.percentile(99)), loopDelayMaxMs: late(delay.max) };
}

/** Times in milliseconds, kept as a histogram. */
export class Latencies {
  #histogram = createHistogram();

  record(milliseconds) {
    this.#histogram.record(Math.max(1, Math.round(milliseconds * NS_PER_MS)));
  }

  get count() {
    return this.#histogram.count;
  }

  percentile(percent) {
    return this.#histogram.percentile(percent) / NS_PER_MS;
  }

  get max() {
    return this.#histogram.max / NS_PER_MS;
  }
}
