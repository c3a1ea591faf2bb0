import type {
  ConsumeResult,
  MessageView,
  OrderlyListener,
  PushConsumer,
  PushConsumerSettings,
} from "../../lib/index.js";
import { StallingClock } from "../support/stalling-clock.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

export const [GROUP, TOPIC] = ["billing", "orders"] as const;

/** A broker of its own, as another process has it, on a file that several have open; with what its consumers got. */
export interface Engine {
  readonly test: TestBroker;
  readonly clock: StallingClock;
  /** Texts of messages, in order. */
  readonly received: string[];
  consume(settings?: Partial<PushConsumerSettings>, listener?: Listener): Promise<PushConsumer>;
  /** The same in order. */
  consumeOrderly(settings?: Partial<PushConsumerSettings>, listener?: OrderlyListener): Promise<PushConsumer>;
  send(body: string, queue: number): Promise<unknown>;
  close(): Promise<void>;
}

type Listener = (message: MessageView) => ConsumeResult | Promise<ConsumeResult>;

export interface EngineSettings extends Omit<TestBrokerOptions<never>, "clock" | "path" | "database"> {
  readonly clock?: StallingClock;
}

export interface Engines extends AsyncDisposable {
  readonly path: string;
  open(settings?: EngineSettings): Promise<Engine>;
  /** Everybody does what is to be done now. */
  settle(): Promise<void>;
  /** Time passes for everybody, in steps of at most 100 ms. */
  advance(ms: number): Promise<void>;
}

/** Topics have four queues. Disposing closes every engine, the last one that was opened first, and checks the store each time. */
export async function openEngines(): Promise<Engines> {
  const folder = tempFolder();
  const path = folder.file("app.db");
  const engines: Engine[] = [];
  let seed = 0;
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 3; round += 1) for (const { clock } of engines) await clock.settle();
  };
  return {
    path,
    settle,
    open: async ({ clock = new StallingClock(), ...settings } = {}) => {
      seed += 1;
      const test = await openTestBroker({ ...settings, path, clock, seed });
      const engine = toEngine(test, clock, async () => {
        engines.splice(engines.indexOf(engine), 1);
        await test[Symbol.asyncDispose]();
      });
      engines.push(engine);
      return engine;
    },
    advance: async (ms) => {
      for (let left = ms; left > 0; left -= 100) {
        for (const { clock } of engines) await clock.advance(Math.min(left, 100));
        await settle();
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const engine of [...engines].reverse()) {
        engine.clock.resume();
        await engine.close();
      }
      folder[Symbol.dispose]();
    },
  };
}

function toEngine(test: TestBroker, clock: StallingClock, close: () => Promise<void>): Engine {
  const received: string[] = [];
  const common = { group: GROUP, subscriptions: { [TOPIC]: "*" } };
  return {
    test,
    clock,
    received,
    close,
    consume: async (settings = {}, listener = () => "success") => {
      const consumer = test.mq.pushConsumer({
        ...common,
        listener: (message) => {
          received.push(message.text());
          return listener(message);
        },
        ...settings,
      });
      await consumer.start();
      return consumer;
    },
    consumeOrderly: async (settings = {}, listener = () => "success") => {
      const consumer = test.mq.pushConsumer({
        ...common,
        orderly: true,
        listener: (message, context) => {
          received.push(message.text());
          return listener(message, context);
        },
        ...settings,
      });
      await consumer.start();
      return consumer;
    },
    send: (body, queue) => test.mq.producer({ group: "shop" }).send({ topic: TOPIC, body }, { queue }),
  };
}

/** Ids of its queues. */
export function queueIdsOf({ assignment }: PushConsumer): readonly number[] {
  return assignment.map(({ queueId }) => queueId);
}
