import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedMessageError } from '../errors.js';
import type { MessageBody } from './body.js';
import { Codec } from './codec.js';
import { JsonEncoder } from './json-encoder.js';
import { JsonParser } from './json-parser.js';
import { rpcResultFrom } from './rpc-result.js';

/** Sixty thousand inputs; plain comparisons, since an `expect` for each would take longer than all the rest. */
const RUNS = 15_000;
/** In every payload: no error may repeat it. */
const MARK = 'sEcReT';

/** The pieces that JSON is made of, and some that it is not. */
const pieces = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('{', '}', '[', ']', ':', ',', '{}', '[]', ' ', '\n') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('"type"', '"name"', '"category"', '"content"', '"message"', '"rpc"'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('0', '-0', '1', '12', '1e5', '1e999', '01', '1.', '-', '9007199254740993'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('true', 'false', 'null', 'NaN', 'Infinity', '-Infinity', 'nul', 'tru'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('"__proto__"', '"constructor"', '"\\u005f_proto__"', '"\\ud800"', '"\\x"'),
  },
  { weight: 2, arbitrary: fc.string({ maxLength: 4, unit: 'binary' }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 4, unit: 'binary' }) },
);
const soup = fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join(''));

const keys = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'a', '', 'then', 'toJSON');
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom('1', '"x"', 'null', 'NaN', '{}', '[]', '1e400', '-0'),
    fc.array(tie('tree'), { maxLength: 3 }).map((items) => `[${items.join()}]`),
    fc
      .array(fc.tuple(keys, tie('tree')), { maxLength: 4 })
      .map((entries) => `{${entries.map(([key, value]) => `"${key}":${value}`).join()}}`),
  ),
}));

const bodyWith = (content: string): string =>
  `{"type":"result","name":"none","category":"message","content":${content},"x":"${MARK}"}`;

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((noise) => Buffer.concat([Buffer.from(`"${MARK}`), noise])),
  soup.map((text) => Buffer.from(`{"${MARK}":1,${text}}`)),
  tree.map((text) => Buffer.from(bodyWith(text))),
  fc.tuple(tree, fc.nat(80)).map(([text, end]) => Buffer.from(bodyWith(text)).subarray(0, end)),
);

/** The value; undefined when it was refused as it should be. */
const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessageError && !error.message.includes(MARK)) return undefined;
    throw error;
  }
};

/** Whether there is nothing in it but plain data. */
const isPlain = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return true;
  const prototype = Array.isArray(value) ? Array.prototype : Object.prototype;
  return (
    Object.getPrototypeOf(value) === prototype &&
    !Object.hasOwn(value, '__proto__') &&
    Object.values(value).every(isPlain)
  );
};

const prototypeKeys = (): string => Reflect.ownKeys(Object.prototype).map(String).join();
const BEFORE = prototypeKeys();

describe('Codec, whatever comes', () => {
  it.each([
    ['numbers', new Codec()],
    ['big integers', new Codec({ encoder: new JsonEncoder({ bigIntegers: 'bigint' }) })],
  ])(
    'gives plain data or MalformedMessageError, and nothing of the payload in its text (%s)',
    (_kind, codec) => {
      fc.assert(
        fc.property(
          bytes,
          fc.constantFrom(undefined, '', 'application/json', 'text/x'),
          (noise, contentType) => {
            const body = attempt(() => codec.decodeBody(noise, contentType));
            return (
              body === undefined ||
              (isPlain(body) && (body.category === 'message' || body.category === 'rpc'))
            );
          },
        ),
        { numRuns: RUNS },
      );
      expect(prototypeKeys()).toBe(BEFORE);
    },
  );

  it('reads the same as JSON.parse, or refuses the same', () => {
    const parse = (read: () => unknown): string => {
      try {
        return JSON.stringify(read());
      } catch {
        return 'refused';
      }
    };
    const same = fc.property(fc.oneof(soup, tree), (text) => {
      if (/NaN|Infinity|__proto__|\\u005f/.test(text)) return true;
      return parse(() => new JsonParser(text, Number).parse()) === parse(() => JSON.parse(text) as unknown);
    });
    expect(() => fc.assert(same, { numRuns: RUNS })).not.toThrow();
  });

  it('makes a result of a reply, or refuses it', () => {
    const contents = fc
      .tuple(fc.constantFrom('"success"', '"error"', '"exception"', 'null', '"__proto__"'), tree, tree)
      .map(([type, value, message]) => `{"type":${type},"value":${value},"message":${message}}`);
    const codec = new Codec();
    const known = fc.property(fc.oneof(contents, tree), (content) => {
      const body = attempt((): MessageBody => codec.decodeBody(Buffer.from(bodyWith(content)), undefined));
      const result = body && attempt(() => rpcResultFrom(body));
      return result === undefined || ['success', 'error', 'exception'].includes(result.type);
    });
    expect(() => fc.assert(known, { numRuns: RUNS })).not.toThrow();
  });

  it.each([
    ['brackets that never close', '['.repeat(100_000)],
    ['brackets that close', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['objects that never close', '{"a":'.repeat(100_000)],
    ['brackets in a text, and a quote that never closes', `"${'['.repeat(100_000)}`],
    ['escapes that never end', `"${'\\'.repeat(100_001)}`],
    ['a number of a million digits', '9'.repeat(1_000_000)],
    ['spaces', ' '.repeat(1_000_000)],
    ['a key a hundred thousand times', `{${'"a":1,'.repeat(100_000)}"a":1}`],
    ['__proto__ a hundred thousand times', `{${'"__proto__":{},'.repeat(100_000)}"a":1}`],
  ])('takes no time that grows with the square of the size for %s', (_what, text) => {
    for (const bigIntegers of ['number', 'bigint'] as const) {
      const codec = new Codec({ encoder: new JsonEncoder({ bigIntegers }) });
      const begin = performance.now();
      attempt(() => codec.decode(Buffer.from(text), undefined));
      expect(performance.now() - begin).toBeLessThan(5_000);
    }
  });
});
