import { encodeCommand, FLAG, type RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFrames, type RecordedFrame } from "../support/frames.js";
import type { WireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";
import { RecordedNames } from "./recorded-names.js";
import { RecordedWords } from "./recorded-words.js";

/** A response or a request of the server, as it was recorded and as it is here, in the words of the recording. */
export interface Replayed {
  readonly what: string;
  readonly recorded: unknown;
  readonly ours: unknown;
}

export interface Surroundings {
  /** What to do before a frame: what others sent, time that passed. */
  readonly before: Readonly<Record<number, (server: WireBroker) => Promise<unknown>>>;
  /** Whether what a frame is about is there. */
  readonly isServed: (frame: RecordedFrame) => boolean;
}

interface Asked {
  readonly name: string;
  readonly client: WireClient;
  answer?: RemotingCommand;
}

/** So many requests are answered behind one whose answer is waited for, before it counts as not answered. */
const PATIENCE = 20;
const UNKNOWN_CODE = 12_345;
const UNSUPPORTED = 3;
const NAME_SERVER = "the name server";

/** Sends what clients sent, on as many connections, and waits for a response wherever one came before the next request. */
export async function replay(
  scenario: string,
  server: WireBroker,
  { before, isServed }: Surroundings,
): Promise<readonly Replayed[]> {
  const frames = loadFrames(scenario);
  await using player = new Player(server, frames);
  for (const [index, frame] of frames.entries()) {
    await before[index]?.(server);
    const isResponse = frame.kind === "response";
    if (frame.dir === "c2s" && !isResponse) await player.send(frame);
    if (frame.dir === "s2c" && isResponse) await player.receive(index, frame, isServed(frame));
  }
  await player.finish(isServed);
  return player.replayed;
}

class Player implements AsyncDisposable {
  readonly replayed: Replayed[] = [];
  readonly #server: WireBroker;
  readonly #frames: readonly RecordedFrame[];
  readonly #words: RecordedWords;
  readonly #connections = new Map<string, WireClient>();
  readonly #asked = new Map<number, Asked>();
  /** Group → the clients that are in it sometime, without those that left. */
  readonly #clients = new Map<string, Set<string>>();

  constructor(server: WireBroker, frames: readonly RecordedFrame[]) {
    this.#server = server;
    this.#frames = frames;
    this.#words = new RecordedWords(new RecordedNames(server.broker.clock.now()));
    for (const { name, bodyJson } of frames) if (name === "HEART_BEAT") this.#expect(bodyJson as Heartbeat);
  }

  async send(frame: RecordedFrame): Promise<void> {
    const client = await this.#connectionOf(frame);
    const request = this.#words.toRequest(frame);
    if ((request.flag & FLAG.ONE_WAY) !== 0) client.write(encodeCommand(request));
    else {
      const asked: Asked = { name: frame.name, client };
      this.#asked.set(request.opaque, asked);
      void client.ask(request, request).then((answer) => {
        asked.answer = answer;
      });
    }
    if (frame.name === "UNREGISTER_CLIENT") this.#forget(frame);
  }

  async receive(index: number, frame: RecordedFrame, isServed: boolean): Promise<void> {
    const asked = this.#asked.get(frame.header.opaque) as Asked;
    this.#asked.delete(frame.header.opaque);
    await waitFor(asked);
    const { answer } = asked;
    const what = `${index} ${frame.answers}`;
    if (isServed) this.#compare(what, frame, answer);
    // What is there all the same belongs to the table of the spec no longer.
    else this.replayed.push({ what, recorded: UNSUPPORTED, ours: answer?.code });
    this.#words.learnPlace(answer);
  }

  /**
   * A pull that was still held when the recording ended is held here too; whether other requests were answered before clients closed their connections was chance.
   * When the requests of the server come between responses is chance as well: they are compared at the end.
   */
  async finish(isServed: (frame: RecordedFrame) => boolean): Promise<void> {
    const held = [...this.#asked.values()].filter(({ name }) => name.endsWith("PULL_MESSAGE"));
    for (const asked of held) await waitFor(asked);
    const answered = held.flatMap(({ answer }) => answer?.code ?? []);
    this.replayed.push({ what: "pulls that were held in the recording", recorded: [], ours: answered });
    const left = [...this.#connections.values()].flatMap((client) => client.requests);
    for (const frame of this.#frames) {
      if (frame.dir !== "s2c" || frame.kind === "response" || !isServed(frame)) continue;
      const same = left.findIndex(({ code }) => code === frame.header.code);
      this.#compare(frame.name, frame, left.splice(same, same === -1 ? 0 : 1)[0]);
    }
    const more = left.map(({ code }) => code);
    this.replayed.push({ what: "requests that were not recorded", recorded: [], ours: more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#connections.values()) await client[Symbol.asyncDispose]();
  }

  #compare(what: string, frame: RecordedFrame, ours: RemotingCommand | undefined): void {
    const pair = this.#words.compared(frame, ours);
    this.replayed.push({ what, ...pair });
  }

  /** A name server has one connection, a broker one of each client: that of its id, or else of its group. */
  async #connectionOf(frame: RecordedFrame): Promise<WireClient> {
    const id = frame.at === "namesrv" ? NAME_SERVER : this.#clientOf(frame);
    const open = this.#connections.get(id) ?? (await WireClient.open(this.#server.port));
    this.#connections.set(id, open);
    return open;
  }

  #clientOf({ header, bodyJson }: RecordedFrame): string {
    const told = { ...header.extFields, ...(bodyJson as object) } as Readonly<Record<string, string>>;
    const group = told["consumerGroup"] ?? told["producerGroup"] ?? told["group"] ?? told["a"] ?? "";
    const [first = "any"] = this.#clients.get(group) ?? [];
    return told["clientID"] ?? told["clientId"] ?? first;
  }

  #expect({ clientID, consumerDataSet, producerDataSet }: Heartbeat): void {
    for (const { groupName } of [...consumerDataSet, ...producerDataSet])
      this.#clients.set(groupName, (this.#clients.get(groupName) ?? new Set()).add(clientID));
  }

  #forget({ header: { extFields } }: RecordedFrame): void {
    const { consumerGroup, producerGroup, clientID = "" } = extFields ?? {};
    this.#clients.get(consumerGroup ?? producerGroup ?? "")?.delete(clientID);
  }
}

interface Heartbeat {
  readonly clientID: string;
  readonly consumerDataSet: readonly { readonly groupName: string }[];
  readonly producerDataSet: readonly { readonly groupName: string }[];
}

async function waitFor(asked: Asked): Promise<void> {
  for (let count = 0; count < PATIENCE && asked.answer === undefined; count += 1)
    await asked.client.ask({ code: UNKNOWN_CODE }, { opaque: -1 });
}
