import { MalformedFrame } from "./malformed-frame.js";
import { decodeCommand, type RemotingCommand } from "./remoting-command.js";

/** With its length field. Source: RocketMQ 5.3.3, `remoting/.../netty/NettyDecoder.java`, `com.rocketmq.remoting.frameMaxLength`. */
export const MAX_FRAME_SIZE: number = 16 * 1024 * 1024;

const LENGTH_SIZE = 4;
const MIN_HELD_SIZE = 1_024;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Finds the commands in what a connection receives, however it is cut into pieces.
 *
 * What was received of a frame that is not complete takes at most twice its size (1 KiB at least), however small the pieces are; nothing is taken for what a length promises. Frames that come whole are not copied.
 */
export class FrameReader {
  readonly #onCommand: (command: RemotingCommand, frameSize: number) => void;
  /** The beginning of a frame, with room for more of it. */
  #held: Buffer = NOTHING;
  #heldSize = 0;

  /** @param onCommand - its body is a part of what was received. */
  constructor(onCommand: (command: RemotingCommand, frameSize: number) => void) {
    this.#onCommand = onCommand;
  }

  /** Bytes of memory that an incomplete frame takes. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /**
   * Tells of the commands that are complete with this chunk, in their order.
   *
   * @throws {@link MalformedFrame} after those in front of one.
   */
  read(chunk: Buffer): void {
    const received = this.#heldSize === 0 ? chunk : this.#append(chunk);
    let at = 0;
    for (;;) {
      const size = frameSizeAt(received, at);
      if (size === undefined || at + size > received.length) break;
      this.#onCommand(decodeCommand(received.subarray(at, at + size)), size);
      at += size;
    }
    // Nothing of it was complete, and it is held already.
    if (at === 0 && received !== chunk) return;
    this.#hold(received.subarray(at));
  }

  #append(chunk: Buffer): Buffer {
    const size = this.#heldSize + chunk.length;
    if (size > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldSize);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldSize);
    this.#heldSize = size;
    return this.#held.subarray(0, size);
  }

  /** In memory of its own: what bodies are parts of is not written to. */
  #hold(rest: Buffer): void {
    this.#heldSize = rest.length;
    this.#held = NOTHING;
    if (rest.length === 0) return;
    this.#held = Buffer.allocUnsafeSlow(Math.max(rest.length, MIN_HELD_SIZE));
    rest.copy(this.#held);
  }
}

/** `undefined`: not all of its length is there. */
function frameSizeAt(received: Buffer, at: number): number | undefined {
  if (received.length - at < LENGTH_SIZE) return undefined;
  const length = received.readInt32BE(at);
  if (length >= 0 && length + LENGTH_SIZE <= MAX_FRAME_SIZE) return length + LENGTH_SIZE;
  throw new MalformedFrame(`a frame has at most ${MAX_FRAME_SIZE} bytes, got a length of ${length}`);
}
