// What happened in a scenario, step by step, without what varies from run to run.

import { areMessages, decodeMessages } from "./messages.mjs";

const TIME = /\b1[6-9]\d{11}\b/g;
/** Of a message or of its place; those that a scenario gives are zeros at first. */
const ID = /\b(?!0{20})(?=[0-9A-F]*\d)[0-9A-F]{32,56}\b/g;
const CLIENT = /\/?127\.0\.0\.1:\d+/g;
/** Asks what became of a transaction; RocketMQ appends the half message again each time that it does. */
const CHECK = 39;
/** Fields whose numbers say where in a log something lies. */
const PLACES = new Set(["commitLogOffset", "preparedTransactionOffset", "tranStateTableOffset"]);
/** Lists in no order. */
const UNORDERED = new Set(["consumerIdList", "lockOKMQSet"]);
/** What is wrong with a request is said in the words of Java's exceptions, or in ours. */
const MALFORMED =
  /^(?:[a-z]+\.)+\w*(?:Exception|Error)\b|^Cannot (?:invoke|read) |^the custom field <\w+> |must be (?:JSON|a text|an object|a list|an integer)$|^the message has no body$|is not encoded as one$|^commitOrRollback field wrong|^topicFilterType = /;

export class History {
  /** Step → what it led to. */
  steps = {};
  #step = "";
  #addresses;
  /** Kind of value → value → what it is called. */
  #names = new Map();

  /** @param addresses - of the name server and the broker, by what they are called. */
  constructor(addresses) {
    this.#addresses = Object.entries(addresses);
  }

  add(step, outcome) {
    if (step in this.steps) throw new Error(`two steps are called "${step}"`);
    this.#step = step;
    this.steps[step] = this.#normal(readable(outcome));
  }

  /** The same value has the same name wherever it is met: that of the step in which it came up. */
  #named(kind, value) {
    const known = this.#names.get(kind) ?? new Map();
    this.#names.set(kind, known);
    if (!known.has(value)) {
      const sameStep = [...known.values()].filter((name) => name.includes(` of "${this.#step}"`)).length;
      known.set(value, `<${kind} ${sameStep + 1} of "${this.#step}">`);
    }
    return known.get(value);
  }

  #normal(value, key = "") {
    if (PLACES.has(key) && Number(value) > 0) return this.#named("place", String(value));
    if (key === "recallHandle") return "<a handle>";
    if (typeof value === "number") return String(value).match(TIME) ? "<time>" : value;
    if (typeof value === "string") return this.#text(value, key === "msgId" ? "message's place" : "id");
    if (Array.isArray(value)) {
      const list = value.map((one) => this.#normal(one));
      return UNORDERED.has(key) ? list.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : list;
    }
    if (typeof value !== "object" || value === null) return value;
    const names = Object.keys(value).sort();
    return Object.fromEntries(names.map((name) => [name, this.#normal(value[name], name)]));
  }

  #text(value, kind) {
    let text = value;
    for (const [name, address] of this.#addresses) text = text.replaceAll(address, `<${name}>`);
    return text
      .replace(CLIENT, "<client>")
      .replace(TIME, "<time>")
      .replace(ID, (id) => this.#named(kind, id));
  }
}

/** A response or a request of the server; a text where there is none. */
function readable(outcome) {
  if (Array.isArray(outcome)) return outcome.map(readable);
  if (typeof outcome !== "object" || outcome.opaque === undefined) return outcome;
  const { code, flag, language, version, remark, fields, body } = outcome;
  const isMalformed = code !== 0 && MALFORMED.test(remark ?? "");
  return {
    ...{ code, flag, language, version, remark: isMalformed ? "<the request is malformed>" : (remark ?? null) },
    // RocketMQ forgets those that it stamps on every answer.
    fields: fields === undefined || isMalformed ? null : Object.fromEntries(fields),
    body: code === CHECK ? readableBody(body).map(({ queueOffset: _moves, ...half }) => half) : readableBody(body),
  };
}

function readableBody(body) {
  if (body.length === 0) return null;
  // Who sent a message is a row of its own in COMPATIBILITY.md: every message would show it.
  if (areMessages(body)) return decodeMessages(body).map(({ bornHost: _who, ...message }) => message);
  const text = body.toString();
  // RocketMQ's own dialect of JSON quotes no numbers that are names; all that read it take them quoted.
  const quoted = text.replace(/(?<=[{,])(\d+):/g, '"$1":');
  try {
    return JSON.parse(quoted);
  } catch {
    return text;
  }
}
