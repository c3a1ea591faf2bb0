import { MqError } from "../errors.js";
import { describe } from "../options.js";

const UINT32 = 2 ** 32;
/** `doubleToLongBits` has one bit pattern for every NaN. */
const NAN_HASH_CODE = 0x7ff80000;

/** Java's `String.hashCode` over UTF-16 units, as a signed 32-bit integer. */
export function javaStringHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = (hash * 31 + text.charCodeAt(index)) | 0;
  return hash;
}

/**
 * Java's `hashCode` of the object that a Java program would most likely pass instead: `String`, `Boolean`, `Integer` for an integer of
 * 32 bits, `Long` for a larger safe integer and for every bigint, `Double` for any other number.
 *
 * `Integer` and `Long` differ for negative values: -7 has the hash code -7, -7n has 6.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for a bigint that no `Long` holds and for any other type.
 */
export function javaHashCode(value: string | number | bigint | boolean): number {
  switch (typeof value) {
    case "string":
      return javaStringHash(value);
    case "number":
      return numberHashCode(value);
    case "bigint":
      return bigintHashCode(value);
    case "boolean":
      return value ? 1231 : 1237;
    default:
      throw new MqError(
        "ERR_MQ_INVALID_ARGUMENT",
        `a hash code is taken of a string, number, bigint or boolean, got ${describe(value)}`,
      );
  }
}

function numberHashCode(value: number): number {
  if ((value | 0) === value) return value | 0;
  if (Number.isSafeInteger(value)) return value ^ Math.floor(value / UINT32);
  if (Number.isNaN(value)) return NAN_HASH_CODE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  return bits.getInt32(0) ^ bits.getInt32(4);
}

function bigintHashCode(value: bigint): number {
  if (BigInt.asIntN(64, value) !== value) {
    throw new MqError("ERR_MQ_INVALID_ARGUMENT", `a bigint must fit into 64 bits to be hashed, got ${value}`);
  }
  return Number(BigInt.asIntN(32, value ^ (value >> 32n)));
}
