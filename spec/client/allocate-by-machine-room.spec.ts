import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { allocateByMachineRoom } from "../../lib/index.js";
import { thrown } from "../support/thrown.js";
import { queuesOf } from "./allocation-inputs.js";

describe("allocateByMachineRoom", () => {
  // Java's split("@") gives these names two parts: it drops empty ones at the end.
  it.each(["r1@a", "r2@a", "r1@a@", "r1@a@@"])("shares the queues of the broker %s", (brokerName) => {
    const queues = queuesOf(2, brokerName);

    expect(allocateByMachineRoom(new Set(["r1", "r2"]))("g", "c1", queues, ["c1"])).toEqual(queues);
  });

  it.each(["r1", "r1@", "@r1", "@r1@", "r3@a", "r1@@a", "r1@a@b", "R1@a", "a@r1", "@", ""])(
    "passes over the queues of the broker %j",
    (brokerName) => {
      const strategy = allocateByMachineRoom(new Set(["r1", "r2"]));

      expect(strategy("g", "c1", queuesOf(2, brokerName), ["c1"])).toEqual([]);
    },
  );

  it("is not changed by what the caller does to the rooms afterwards, and takes a set of another realm", () => {
    const rooms = runInNewContext('new Set(["r1"])') as Set<string>;
    const strategy = allocateByMachineRoom(rooms);

    rooms.clear();

    expect(strategy("g", "c1", queuesOf(2, "r1@a"), ["c1"])).toHaveLength(2);
  });

  it.each<[unknown, string]>([
    [undefined, "rooms must be a Set of machine rooms, got undefined"],
    [null, "rooms must be a Set of machine rooms, got null"],
    [["r1"], "rooms must be a Set of machine rooms, got an array"],
    ["r1", 'rooms must be a Set of machine rooms, got "r1"'],
    [new Map([["r1", true]]), "rooms must be a Set of machine rooms, got an object"],
    [new Set(), "rooms must name at least one machine room, got none"],
    [new Set([7]), 'each of rooms must be a string that is not empty and holds no "@", got 7'],
    [new Set(["r1", ""]), 'each of rooms must be a string that is not empty and holds no "@", got ""'],
    [new Set(["r1@a"]), 'each of rooms must be a string that is not empty and holds no "@", got "r1@a"'],
  ])("refuses the rooms %s", (rooms, message) => {
    const error = thrown(() => allocateByMachineRoom(rooms as ReadonlySet<string>));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1, message });
  });
});
