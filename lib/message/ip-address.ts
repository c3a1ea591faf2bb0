import { isIPv4, isIPv6 } from "node:net";
import { MqError } from "../errors.js";
import { toHex } from "./hex.js";

/** Hex digits of an IPv4 address. */
export const IPV4_DIGITS = 8;
/** Hex digits of an IPv6 address. */
export const IPV6_DIGITS = 32;

const DOT = 0x2e;
const DIGIT_ZERO = 0x30;

/**
 * An IPv4 or IPv6 address as 8 or 32 upper-case hex digits.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for anything else, a host name for example.
 */
export function encodeAddress(address: string): string {
  if (isIPv4(address)) return encodeIpv4(address);
  if (isIPv6(address) && !address.includes("%")) return encodeIpv6(address);
  throw new MqError("ERR_MQ_INVALID_ARGUMENT", `an address must be IPv4 or IPv6, got "${address}"`);
}

/** The address that 8 or 32 hex digits stand for, in its canonical text form. */
export function decodeAddress(digits: string): string {
  if (digits.length === IPV4_DIGITS)
    return [0, 2, 4, 6].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => digits.slice(index * 4, index * 4 + 4));
  return canonicalIpv6(groups.join(":"));
}

/** A loop over the characters: each send receipt holds its store's address. */
function encodeIpv4(address: string): string {
  let bytes = 0;
  let byte = 0;
  for (let index = 0; index < address.length; index += 1) {
    const unit = address.charCodeAt(index);
    if (unit === DOT) {
      bytes = bytes * 256 + byte;
      byte = 0;
    } else {
      byte = byte * 10 + unit - DIGIT_ZERO;
    }
  }
  return toHex(bytes * 256 + byte, IPV4_DIGITS);
}

function encodeIpv6(address: string): string {
  const [head = "", tail] = canonicalIpv6(address).split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0");
  const groups = [...front, ...zeros, ...back];
  return groups.map((group) => toHex(Number.parseInt(group, 16), 4)).join("");
}

/** Lower case, shortest, without dotted decimals: what a URL makes of it. */
function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
