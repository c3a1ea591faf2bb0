import { types } from "node:util";
import { describe, invalid } from "../options.js";
import { type AllocateMessageQueueStrategy, indexOfMember } from "./allocate-message-queue.js";

/** `room@broker`. Java's `split` passes over separators at the end. */
const PLACED_BROKER = /^([^@]*)@[^@]+@*$/;

/**
 * Shares the queues of brokers in these machine rooms alone, those named `room@broker` (`BrokerSettings.brokerName`): each member gets a run of
 * neighbouring ones, and what is left over when they do not divide evenly goes to the first members, one each. Queues of other brokers are consumed by
 * nobody, and those of the retry topic are on the same brokers.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AllocateMessageQueueByMachineRoom.java`.
 *
 * @param rooms - at least one, none of them empty or with an `@`; copied.
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for anything else; the strategy itself for an empty client id, no queues or no members.
 */
export function allocateByMachineRoom(rooms: ReadonlySet<string>): AllocateMessageQueueStrategy {
  const known = checkRooms(rooms);
  return (_group, clientId, queues, clientIds) => {
    const index = indexOfMember(clientId, queues, clientIds);
    if (index < 0) return [];
    const placed = queues.filter(({ brokerName }) => known.has(PLACED_BROKER.exec(brokerName)?.[1] ?? ""));
    const share = Math.floor(placed.length / clientIds.length);
    const run = placed.slice(share * index, share * (index + 1));
    const leftOver = placed[share * clientIds.length + index];
    return leftOver === undefined ? run : [...run, leftOver];
  };
}

function checkRooms(rooms: unknown): ReadonlySet<string> {
  // Not `instanceof`, which misses the sets of another realm.
  if (!types.isSet(rooms)) throw invalid(`rooms must be a Set of machine rooms, got ${describe(rooms)}`);
  if (rooms.size === 0) throw invalid("rooms must name at least one machine room, got none");
  const copy = new Set<string>();
  for (const room of rooms) {
    if (typeof room !== "string" || room === "" || room.includes("@")) {
      throw invalid(`each of rooms must be a string that is not empty and holds no "@", got ${describe(room)}`);
    }
    copy.add(room);
  }
  return copy;
}
