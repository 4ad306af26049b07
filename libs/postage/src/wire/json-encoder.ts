import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { EncodingError, InvalidOptionError, MalformedMessageError } from '../errors.js';
import type { Encoder } from './encoder.js';
import { JsonParser } from './json-parser.js';
import { isDeeperThan } from './json-text.js';

export interface JsonEncoderOptions {
  /**
   * What becomes of integers beyond ±(2^53 - 1), which Python writes exactly and a JavaScript number can not hold.
   * - `number`: the nearest number, as `JSON.parse` does, so 2^53 + 1 arrives as 2^53. Encoding a BigInt is an error.
   * - `bigint`: a BigInt with the exact value, up to 4,300 digits (Python's own limit); smaller integers stay numbers.
   *   BigInts are encoded as integers. A number such as 1e17 is written as an integer too, and so comes back as BigInt.
   * @default 'number'
   */
  readonly bigIntegers?: 'number' | 'bigint' | undefined;
  /**
   * How many arrays and objects may be nested in one another; a deeper message is malformed. It protects whatever walks
   * the message recursively afterwards.
   * @default 1_000
   */
  readonly maxDepth?: number | undefined;
}

/** As in Python, whose `int()` refuses more: reading digits takes quadratic time. */
const MAX_INTEGER_DIGITS = 4_300;

/** `__proto__`, or an escape that may hide one of its letters. Python escapes no such character. */
const PROTO_KEY = /__proto__|\\u00(?:5[fF]|6[fF]|7[024])/;

/**
 * JSON, as Postage writes it.
 *
 * Decoding reads what Python's `json` writes, also where it is not JSON: `NaN`, `Infinity` and `-Infinity` become the
 * JavaScript numbers. `1.0` becomes 1, `1e400` Infinity. Keys named `__proto__` are dropped, at any depth and however
 * they are escaped; every other key is data. A byte order mark and invalid UTF-8 are errors.
 *
 * Encoding is that of `JSON.stringify`: properties that are undefined are left out, undefined in an array becomes null,
 * a Date becomes text (an invalid one null), a Map or Set becomes `{}`, and -0 becomes 0. The one difference: NaN and
 * ±Infinity are refused, where `JSON.stringify` writes null. So a message with NaN can be received, but not forwarded.
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export class JsonEncoder implements Encoder {
  readonly contentType = 'application/json';
  readonly #bigIntegers: 'number' | 'bigint';
  readonly #maxDepth: number;

  /** @throws {InvalidOptionError} `maxDepth` is not a positive integer */
  constructor(options: JsonEncoderOptions = {}) {
    this.#bigIntegers = options.bigIntegers ?? 'number';
    this.#maxDepth = options.maxDepth ?? 1_000;
    if (!Number.isSafeInteger(this.#maxDepth) || this.#maxDepth < 1) {
      throw new InvalidOptionError('maxDepth', 'must be a positive integer');
    }
  }

  /** @throws {EncodingError} JSON has no form for it: a cycle, NaN, ±Infinity, undefined, a BigInt in `number` mode */
  encode(value: unknown): Buffer {
    try {
      return Buffer.from(this.#stringify(value));
    } catch (cause) {
      throw new EncodingError(this.contentType, { cause });
    }
  }

  /** @throws {MalformedMessageError} not JSON, not UTF-8, or nested too deep; never with the payload in its text */
  decode(bytes: Buffer): unknown {
    const text = textOf(bytes);
    if (isDeeperThan(text, this.#maxDepth)) {
      throw new MalformedMessageError('body', `is nested deeper than ${this.#maxDepth} levels`);
    }
    const readInteger = this.#bigIntegers === 'bigint' ? bigIntegerOf : Number;
    if (PROTO_KEY.test(text) || (readInteger === bigIntegerOf && /[0-9]{16}/.test(text))) {
      return new JsonParser(text, readInteger).parse();
    }
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Its error quotes the payload and is dropped. Either Python wrote it, or our parser tells where it is wrong.
      return new JsonParser(text, readInteger).parse();
    }
  }

  #stringify(value: unknown): string {
    if (this.#bigIntegers === 'number') return stringify(value);
    try {
      return stringify(value);
    } catch {
      // Most messages have no BigInt, and stringify is several times faster.
      return stringifyBigInts(value);
    }
  }
}

const textOf = (bytes: Buffer): string => {
  if (bytes.length === 0) throw new MalformedMessageError('body', 'is empty');
  if (!isUtf8(bytes)) throw new MalformedMessageError('body', 'is not UTF-8');
  const text = bytes.toString('utf8');
  if (text.startsWith('\uFEFF')) throw new MalformedMessageError('body', 'starts with a byte order mark');
  return text;
};

const bigIntegerOf = (digits: string): number | bigint => {
  const rounded = Number(digits);
  if (Number.isSafeInteger(rounded)) return rounded;
  if (digits.replace('-', '').length <= MAX_INTEGER_DIGITS) return BigInt(digits);
  throw new MalformedMessageError('body', `has an integer of more than ${MAX_INTEGER_DIGITS} digits`);
};

const stringify = (value: unknown): string => {
  const text = textOrThrow(JSON.stringify(value));
  // Only a text with a null in it can hide a number that has no JSON form: other messages pay nothing for the check.
  if (text.includes('null') && !isSurelyFinite(value)) JSON.stringify(value, refuseNonFinite);
  return text;
};

/** Whether all its numbers are finite; false where only `JSON.stringify` can tell, whose callback takes longer. */
const isSurelyFinite = (value: unknown): boolean => {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return !('toJSON' in value) && Object.values(value).every(isSurelyFinite);
};

/** BigInts are marked, then unquoted. Nobody knows the marker before it is used: no string of the message has it. */
const stringifyBigInts = (value: unknown): string => {
  const marker = randomUUID();
  const text = textOrThrow(
    JSON.stringify(value, (key, item: unknown) =>
      typeof item === 'bigint' ? `${marker}${item}` : refuseNonFinite(key, item),
    ),
  );
  return text.replace(new RegExp(`"${marker}(-?[0-9]+)"`, 'g'), '$1');
};

const refuseNonFinite = (key: string, item: unknown): unknown => {
  if (typeof item !== 'number' || Number.isFinite(item)) return item;
  throw new RangeError(`${item} (key ${JSON.stringify(key)}) has no form in JSON`);
};

const textOrThrow = (text: string | undefined): string => {
  if (text === undefined) throw new TypeError('the value has no form in JSON');
  return text;
};
