import type { Chance } from "../../lib/time/chance.js";
import { encodeCommand, toRequest } from "../../lib/wire/remoting-command.js";
import { loadFrames, SCENARIOS } from "../support/frames.js";

/** What unmodified clients were recorded to send. */
const recorded: readonly Buffer[] = SCENARIOS.flatMap(loadFrames).flatMap(({ dir, rawHex }) =>
  dir === "c2s" && rawHex !== undefined ? [Buffer.from(rawHex, "hex")] : [],
);

const PREFIX_SIZE = 8;
const CLAIMED = [64 * 1024 * 1024, 16 * 1024 * 1024, 2 ** 31 - 1, -1, -(2 ** 31), 0, 1, 3];

type Mutation = (frame: Buffer, chance: Chance) => Buffer;

/** What may become of a frame on its way, by accident or on purpose. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  unchanged: (frame) => frame,
  truncated: (frame, chance) => frame.subarray(0, chance.nextInt(frame.length)),
  "with bytes changed": (frame, chance) => {
    for (let change = 0; change <= chance.nextInt(8); change += 1)
      frame[chance.nextInt(frame.length)] = chance.nextInt(256);
    return frame;
  },
  "with a length that lies": (frame, chance) => {
    frame.writeInt32BE(CLAIMED[chance.nextInt(CLAIMED.length)] as number, 0);
    return frame;
  },
  "with a length that is nearly right": (frame, chance) => {
    frame.writeInt32BE(frame.readInt32BE(0) + chance.nextInt(9) - 4, 0);
    return frame;
  },
  "with a header's length that lies": (frame, chance) => {
    frame.writeUIntBE(chance.nextInt(2) === 0 ? chance.nextInt(2 ** 24) : chance.nextInt(frame.length), 5, 3);
    return frame;
  },
  "with the other form of header": (frame) => {
    frame[4] = frame[4] === 0 ? 1 : 0;
    return frame;
  },
  "with bad UTF-8": (frame, chance) => {
    const at = PREFIX_SIZE + chance.nextInt(frame.length - PREFIX_SIZE);
    frame.set([0xc3, 0x28, 0xff, 0xed, 0xa0].slice(0, frame.length - at), at);
    return frame;
  },
  "of nothing that is known": (frame, chance) => {
    for (let at = 0; at < frame.length; at += 1) frame[at] = chance.nextInt(256);
    return frame;
  },
  "with a code of chance": (_frame, chance) =>
    encodeCommand({
      ...toRequest(
        { code: chance.nextInt(2 ** 18) - 2 ** 12, body: randomBytes(chance, 200) },
        chance.nextInt(2 ** 30),
        false,
      ),
      flag: chance.nextInt(4),
      fields: new Map(Array.from({ length: chance.nextInt(6) }, () => [randomText(chance), randomText(chance)])),
      serialization: chance.nextInt(2) === 0 ? "JSON" : "ROCKETMQ",
    }),
  "with a header that is deep": (frame, chance) => withHeader(frame, "[".repeat(chance.nextInt(100_000))),
  "with a header of odd values": (frame, chance) =>
    withHeader(frame, `{"code":${ODD[chance.nextInt(ODD.length)]},"extFields":${ODD[chance.nextInt(ODD.length)]}}`),
};

const ODD = [
  "null",
  "1e400",
  "-0",
  "1.5",
  '"105"',
  "[]",
  "{}",
  "true",
  '{"topic":{"topic":1}}',
  '{"__proto__":{"a":1}}',
  "9007199254740993",
];

export const KINDS: readonly string[] = Object.keys(MUTATIONS);

/** A frame of a client, and what became of it. */
export function fuzzedFrame(kind: string, chance: Chance): Buffer {
  const frame = Buffer.from(recorded[chance.nextInt(recorded.length)] as Buffer);
  return (MUTATIONS[kind] as Mutation)(frame, chance);
}

function withHeader(frame: Buffer, header: string): Buffer {
  const bytes = Buffer.from(header);
  const prefix = Buffer.from(frame.subarray(0, PREFIX_SIZE));
  prefix.writeInt32BE(4 + bytes.length, 0);
  prefix.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([prefix, bytes]);
}

function randomBytes(chance: Chance, longest: number): Buffer {
  return Buffer.from(Array.from({ length: chance.nextInt(longest) }, () => chance.nextInt(256)));
}

function randomText(chance: Chance): string {
  return ["topic", "a", "", "%RETRY%g", "\u0000", "💥", "9".repeat(30), "x".repeat(chance.nextInt(300))][
    chance.nextInt(8)
  ] as string;
}
