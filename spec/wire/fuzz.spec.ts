import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { seededChance } from "../../lib/time/chance.js";
import { openWireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";
import { fuzzedFrame, KINDS } from "./fuzzed-frames.js";

/** Of all kinds together. */
const FRAMES = Number(process.env["POCKETMQ_WIRE_FRAMES"] ?? 5_000);
const SEED = Number(process.env["POCKETMQ_SEED"] ?? 1);
/** A frame of 16 MiB that never ends may be held for each connection, with room for as much again; there is one at a time. */
const MAX_BUFFERS = 128 * 1024 * 1024;
const ROUTE = 105;
/** They can be understood, whatever they ask for: their connection stays. */
const HARMLESS: ReadonlySet<string> = new Set(["unchanged", "with a code of chance"]);

describe("frames that are not as they should be", () => {
  it.each(KINDS)(
    "%s: they harm no other connection, and take no memory",
    async (kind) => {
      await using server = await openWireBroker();
      const { port, client: bystander } = server;
      const chance = seededChance(SEED);
      let client = await WireClient.open(port);
      let [opened, mostBuffers] = [1, 0];

      for (let sent = 0; sent < FRAMES / KINDS.length; sent += 1) {
        if (client.socket.destroyed) {
          client = await WireClient.open(port);
          opened += 1;
        }
        const frame = fuzzedFrame(kind, chance);
        const cut = chance.nextInt(frame.length + 1);
        client.write(frame.subarray(0, cut));
        client.write(frame.subarray(cut));
        // By then the server has seen it, and closed the connection where it must.
        const answer = await bystander.ask({ code: ROUTE, fields: new Map([["topic", "TBW102"]]) });
        expect(answer.code).toBe(0);
        mostBuffers = Math.max(mostBuffers, process.memoryUsage().arrayBuffers);
      }
      client.socket.destroy();
      if (!client.socket.closed) await once(client.socket, "close");

      expect((await bystander.ask({ code: ROUTE, fields: new Map([["topic", "TBW102"]]) })).code).toBe(0);
      expect(mostBuffers).toBeLessThan(MAX_BUFFERS);
      expect(opened === 1).toBe(HARMLESS.has(kind));
    },
    120_000,
  );
});
