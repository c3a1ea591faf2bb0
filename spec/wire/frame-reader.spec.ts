import { describe, expect, it } from "vitest";
import { FrameReader, MAX_FRAME_SIZE } from "../../lib/wire/frame-reader.js";
import { MalformedFrame } from "../../lib/wire/malformed-frame.js";
import { encodeCommand, type RemotingCommand, toRequest } from "../../lib/wire/remoting-command.js";

const request = (opaque: number, body = ""): Buffer =>
  encodeCommand(toRequest({ code: 310, body: Buffer.from(body) }, opaque, false));

function openReader(): { readonly reader: FrameReader; readonly commands: readonly RemotingCommand[] } {
  const commands: RemotingCommand[] = [];
  return { reader: new FrameReader((command) => void commands.push(command)), commands };
}

const textsOf = (commands: readonly RemotingCommand[]): readonly string[] =>
  commands.map(({ opaque, body }) => `${opaque} ${body}`);

/** A length without what it promises. */
const lengthOf = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
};

describe("frames on a connection", () => {
  const stream = Buffer.concat([request(1, "one"), request(2), request(3, "three".repeat(100))]);
  const whole = ["1 one", "2 ", `3 ${"three".repeat(100)}`];

  it("are found wherever what is received is cut, once or everywhere", () => {
    for (let size = 1; size < stream.length; size += 1) {
      const { reader, commands } = openReader();
      for (let at = 0; at < stream.length; at += size) reader.read(stream.subarray(at, at + size));
      expect(textsOf(commands), `pieces of ${size} bytes`).toEqual(whole);
      expect(reader.heldBytes).toBe(0);
    }
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { reader, commands } = openReader();
      reader.read(stream.subarray(0, cut));
      reader.read(stream.subarray(cut));
      expect(textsOf(commands), `cut at ${cut}`).toEqual(whole);
    }
  });

  it("keep their bodies, whatever comes behind them", () => {
    const { reader, commands } = openReader();
    const [first, second] = [request(1, "first"), request(2, "second")];
    reader.read(first.subarray(0, 5));
    reader.read(Buffer.concat([first.subarray(5), second.subarray(0, 5)]));
    const before = textsOf(commands);
    reader.read(second.subarray(5));

    expect(before).toEqual(["1 first"]);
    expect(textsOf(commands)).toEqual(["1 first", "2 second"]);
  });

  it("take no memory for what their length promises, and twice what was received of them when it comes byte by byte", () => {
    const { reader, commands } = openReader();
    const frame = request(1, "x".repeat(100_000));
    reader.read(lengthOf(MAX_FRAME_SIZE - 4));
    expect(reader.heldBytes).toBeLessThanOrEqual(1_024);

    const slow = openReader().reader;
    for (let at = 0; at < frame.length - 1; at += 1) {
      slow.read(frame.subarray(at, at + 1));
      expect(slow.heldBytes).toBeLessThanOrEqual(Math.max(1_024, 2 * (at + 1)));
    }
    expect(commands).toEqual([]);
  });

  it("have 16 MiB with their length at most, as in RocketMQ", () => {
    const { reader, commands } = openReader();
    const overhead = request(1, "").length;
    reader.read(request(1, "x".repeat(MAX_FRAME_SIZE - overhead)));

    expect(commands[0]?.body).toHaveLength(MAX_FRAME_SIZE - overhead);
    for (const length of [MAX_FRAME_SIZE - 3, 64 * 1024 * 1024, 2 ** 31 - 1, -1, -(2 ** 31)])
      expect(() => openReader().reader.read(lengthOf(length)), `${length}`).toThrow(MalformedFrame);
  });

  it("are told of when something malformed follows them", () => {
    const { reader, commands } = openReader();

    expect(() => reader.read(Buffer.concat([request(1), lengthOf(-1), request(2)]))).toThrow(MalformedFrame);
    expect(textsOf(commands)).toEqual(["1 "]);
  });
});
