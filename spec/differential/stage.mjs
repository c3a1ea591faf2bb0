// Where scenarios play: a name server and a broker, and the clients that a scenario opens.

import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "./client.mjs";
import { History } from "./history.mjs";

const [RETRY_MS, PATIENCE_MS] = [50, 20_000];
/** So long nothing may come where nothing is expected. */
const QUIET_MS = 200;

/** Resolves with the steps of the scenario and what each led to. */
export async function play(scenario, { nameserver, broker }) {
  const history = new History({ nameserver, broker });
  const addresses = { nameserver, broker };
  const actors = [];
  const open = async (at = "broker") => {
    const actor = new Actor(await Client.open(addresses[at]), history);
    actors.push(actor);
    return actor;
  };
  try {
    await scenario.play({ open, record: (step, outcome) => history.add(step, outcome) });
    return history.steps;
  } catch (cause) {
    throw new Error(`scenario "${scenario.name}" failed`, { cause });
  } finally {
    for (const actor of actors) actor.leave();
  }
}

/** A client whose steps are written down. */
class Actor {
  #client;
  #history;
  #known = 0;

  constructor(client, history) {
    this.#client = client;
    this.#history = history;
  }

  /** Asks, and writes down the response under the name of the step. */
  async ask(step, request) {
    const response = await this.#client.ask(request);
    this.#history.add(step, response);
    return response;
  }

  /** Asks, and leaves the response alone. */
  quietly(request) {
    return this.#client.ask(request);
  }

  /** Asks again and again until the response is as wanted, which is written down, or the patience is at its end. */
  async until(step, request, isWanted) {
    const deadline = Date.now() + PATIENCE_MS;
    let response = await this.#client.ask(request);
    while (!isWanted(response) && Date.now() < deadline) {
      await sleep(RETRY_MS);
      response = await this.#client.ask(request);
    }
    this.#history.add(step, response);
    return response;
  }

  /** Asks what is not answered; what else is asked with it is. */
  async unanswered(step, request) {
    const answer = this.#client.ask(request);
    this.#history.add(step, await Promise.race([answer, sleep(QUIET_MS, "no answer")]));
  }

  tell(request) {
    this.#client.tell(request);
  }

  write(bytes) {
    this.#client.write(bytes);
  }

  /** What the server has asked since the last look: so much at least, and nothing after it. */
  async pushed(step, count) {
    await this.#client.wasPushed(this.#known + count);
    await sleep(QUIET_MS);
    const pushed = this.#client.pushed.slice(this.#known);
    this.#known += pushed.length;
    this.#history.add(step, pushed);
    return pushed;
  }

  async closed(step) {
    this.#history.add(
      step,
      (await this.#client.wasClosed()) ? "the connection was closed" : "the connection stays open",
    );
  }

  leave() {
    this.#client.close();
  }
}
