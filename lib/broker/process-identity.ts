import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ProcessIdentity } from "../store/engine-table.js";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const PID_NAMESPACE = "/proc/self/ns/pid";
const THREAD_SELF = "/proc/thread-self";

/** What the kernel says of a thread. */
interface ThreadState {
  /** One letter. */
  readonly state: string;
  /** Clock ticks since the machine started. */
  readonly started: string;
}

/**
 * Who this thread is, and whether another one is gone for sure.
 *
 * A process id alone proves nothing: it may be that of another machine, of another container, of the time before a restart, or in use again. On Linux boot
 * id, pid namespace, process, thread and start time decide together, so that a worker thread that ended is found out as well. Elsewhere only a
 * process id that nobody has is a proof.
 */
export class Processes {
  readonly own: ProcessIdentity;

  constructor() {
    this.own = process.platform === "linux" ? ofLinuxThread() : ofProcess();
  }

  /** Whether it is this thread for sure. */
  isOwn({ space, processId, threadId, started }: ProcessIdentity): boolean {
    const { own } = this;
    return (
      threadId !== 0 &&
      space === own.space &&
      processId === own.processId &&
      threadId === own.threadId &&
      started === own.started
    );
  }

  /** False when it cannot be told. */
  isGone(other: ProcessIdentity): boolean {
    if (other.space !== this.own.space) return false;
    if (!isProcessId(other.processId)) return true;
    if (other.threadId === 0) return false;
    const thread = findThread(other.processId, other.threadId);
    // The kernel may hide processes of other users: what cannot be looked at is not known to be gone.
    if (thread === undefined) return existsSync(`/proc/${other.processId}/task`);
    return isDead(thread) || thread.started !== other.started;
  }
}

function ofLinuxThread(): ProcessIdentity {
  try {
    const space = `linux ${readFileSync(BOOT_ID, "utf8").trim()} ${readlinkSync(PID_NAMESPACE)}`;
    const [processId, , threadId] = readlinkSync(THREAD_SELF).split("/").map(Number) as [number, number, number];
    const started = findThread(processId, threadId)?.started;
    return started === undefined ? ofProcess() : { space, processId, threadId, started };
  } catch {
    // Without /proc.
    return ofProcess();
  }
}

function ofProcess(): ProcessIdentity {
  return { space: `${process.platform} ${hostname()}`, processId: process.pid, threadId: 0, started: "" };
}

/** Whether some process has it now. */
function isProcessId(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // EPERM: it is somebody else's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function findThread(processId: number, threadId: number): ThreadState | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/task/${threadId}/stat`, "utf8");
    // The name of the program, in brackets, may hold spaces and brackets.
    const [state = "", ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, started: rest[18] ?? "" };
  } catch {
    return undefined;
  }
}

/** Killed, and its parent has not asked for its exit code yet. */
function isDead({ state }: ThreadState): boolean {
  return state === "Z" || state === "X";
}
