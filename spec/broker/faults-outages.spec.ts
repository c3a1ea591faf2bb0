import { describe, expect, it } from "vitest";
import type { Workload } from "../support/fault-operation.js";
import { tryOutages } from "../support/fault-rules.js";
import { BROADCASTING_GROUPS } from "../support/fault-workloads/broadcasting.js";
import { CLOSING } from "../support/fault-workloads/closing.js";
import { CONSUMING } from "../support/fault-workloads/consuming.js";
import { SENDING } from "../support/fault-workloads/sending.js";
import { SHARING } from "../support/fault-workloads/sharing.js";
import { STARTING } from "../support/fault-workloads/starting.js";
import { SUBSCRIBING } from "../support/fault-workloads/subscribing.js";

const OPERATIONS: Workload = {
  ...SENDING,
  ...CONSUMING,
  ...BROADCASTING_GROUPS,
  ...SHARING,
  ...STARTING,
  ...SUBSCRIBING,
  ...CLOSING,
};

describe.each(Object.entries(OPERATIONS))("a disk that is gone for six seconds in %s", (_name, { make }) => {
  it.each(["SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY"] as const)(
    "%s: nobody asks it without pause, nothing is lost or doubled, and all goes on",
    async (code) => {
      expect(await tryOutages(make, code)).toEqual([]);
    },
  );
});
