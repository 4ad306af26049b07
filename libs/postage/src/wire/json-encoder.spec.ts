import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonEncoder } from './json-encoder.js';

const json = new JsonEncoder();
const big = new JsonEncoder({ bigIntegers: 'bigint' });
const decode = (text: string, encoder = json): unknown => encoder.decode(Buffer.from(text));
const encode = (value: unknown, encoder = json): string => encoder.encode(value).toString('utf8');

const malformed = (message: string | RegExp): unknown =>
  expect.objectContaining({
    code: 'MALFORMED_MESSAGE',
    field: 'body',
    message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  });
const unencodable = expect.objectContaining({
  code: 'ENCODING_FAILED',
  cause: expect.any(Error) as Error,
}) as Error;

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('JsonEncoder.decode', () => {
  it.each<[string, string, unknown]>([
    ['a float that is whole', '1.0', 1],
    ['a float beyond all bounds', '1e400', Infinity],
    ['an integer beyond 2^53', '9007199254740993', 9_007_199_254_740_992],
    ['NaN', '[NaN]', [NaN]],
    ['infinities', '[Infinity, -Infinity]', [Infinity, -Infinity]],
    [
      'strings that look like them',
      '{"NaN": "Infinity \\" NaN", "x": NaN}',
      { NaN: 'Infinity " NaN', x: NaN },
    ],
    ['characters and their escapes', '"caf\\u00e9 \\ud83d\\udcee é"', 'café 📮 é'],
  ])('reads %s', (_, text, value) => {
    expect(decode(text)).toEqual(value);
  });

  it.each([
    ['as it is', '__proto__'],
    ['with escapes', String.raw`\u005f\u005fproto\u005F_`],
    ['with an escaped letter', String.raw`__\u0070roto__`],
    ['with another escaped letter', String.raw`__p\u0072oto__`],
    ['with yet another escaped letter', String.raw`__pr\u006fto__`],
    ['with an escaped letter in capital hex', String.raw`__pr\u006Fto__`],
    ['with the last letter escaped', String.raw`__pro\u0074o__`],
  ])('drops keys named __proto__, written %s', (_, key) => {
    const value = decode(
      `{"a": [{"${key}": {"polluted": 1}, "constructor": {"prototype": 1}}], "${key}": 2}`,
    );
    expect(JSON.stringify(value)).toBe('{"a":[{"constructor":{"prototype":1}}]}');
    expect((value as { readonly a: readonly [object] }).a[0]).not.toHaveProperty('polluted');
  });

  it('refuses a message that is nested too deep, and overflows no stack', () => {
    expect(decode(nested(1_000))).toEqual(JSON.parse(nested(1_000)));
    for (const text of [
      nested(1_001),
      nested(10_000),
      nested(1_000_000),
      '{"a":'.repeat(1_001) + '1' + '}'.repeat(1_001),
    ]) {
      expect(() => decode(text)).toThrow(malformed('body is nested deeper than 1000 levels'));
    }
    expect(() => decode('[[[]]]', new JsonEncoder({ maxDepth: 2 }))).toThrow(
      malformed('body is nested deeper than 2 levels'),
    );
  });

  it.each<[string, Buffer, string | RegExp]>([
    ['no bytes', Buffer.alloc(0), 'body is empty'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'body is not UTF-8'],
    ['UTF-16', Buffer.from('{}', 'utf16le'), /not JSON/],
    ['a byte order mark', Buffer.from('\uFEFF{}'), 'body starts with a byte order mark'],
    ['a text that ends early', Buffer.from('{"a":'), /an unexpected end/],
    ['nothing but white space', Buffer.from(' \n'), /an unexpected end/],
    ['garbage', Buffer.from('secret'), /an unexpected character at position 0/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => json.decode(bytes)).toThrow(malformed(message));
  });

  it('never tells the payload, not even as a cause', () => {
    try {
      decode('{"password": hunter2}');
      expect.unreachable();
    } catch (error) {
      expect((error as Error).cause).toBeUndefined();
      expect((error as Error).message).not.toMatch(/hunter2|password/);
    }
  });

  it('throws nothing but MalformedMessageError, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom(json, big), (noise, encoder) => {
        try {
          encoder.decode(Buffer.from(noise));
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED_MESSAGE' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('JsonEncoder.encode', () => {
  it('writes what decodes to the same value', () => {
    // -0 is written as 0, and __proto__ is dropped: both are documented.
    const values = fc
      .jsonValue({ maxDepth: 4, stringUnit: 'binary-ascii' })
      .filter((value) => !/-0|__proto__/.test(show(value)));
    fc.assert(
      fc.property(values, (value) => {
        expect(isDeepStrictEqual(json.decode(json.encode(value)), value)).toBe(true);
        expect(encode(value)).toBe(JSON.stringify(value));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d instead of writing null', (number) => {
    expect(() => json.encode({ a: [1, { b: number }] })).toThrow(unencodable);
    expect(() => json.encode({ a: number })).toThrow(`${number} (key "a") has no form in JSON`);
    expect(() => big.encode({ a: number, b: 1n })).toThrow(unencodable);
  });

  it.each<[string, object]>([
    [
      'an object that is no plain one',
      new (class Box {
        readonly inside = NaN;
      })(),
    ],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { inside: NaN })],
    ['what an object says of itself', { toJSON: () => ({ inside: NaN }) }],
    ['what a list says of itself', Object.assign([1], { toJSON: () => [NaN] })],
    ['a list in a list', [[1, null, [NaN]]]],
  ])('refuses NaN in %s', (_what, value) => {
    expect(() => json.encode({ value })).toThrow(unencodable);
  });

  it('writes a date that is none as null, and what is finite as it is', () => {
    const value = {
      date: new Date(NaN),
      box: new (class Box {
        readonly x = 1;
      })(),
      hole: Array<number>(1),
      none: null,
    };
    expect(encode(value)).toBe('{"date":null,"box":{"x":1},"hole":[null],"none":null}');
  });

  it('writes characters as UTF-8, and half of a surrogate pair as an escape', () => {
    expect(encode('café 📮')).toBe('"café 📮"');
    expect(json.decode(json.encode(['\u2028', '\ud800']))).toEqual(['\u2028', '\ud800']);
  });

  it('writes null for null, and the word null in a string', () => {
    expect(encode({ a: null, b: 'null' })).toBe('{"a":null,"b":"null"}');
  });

  it('refuses undefined, cycles, functions and BigInts', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    for (const value of [undefined, cycle, () => 1, { a: 1n }])
      expect(() => json.encode(value)).toThrow(unencodable);
    for (const value of [undefined, cycle, () => 1]) expect(() => big.encode(value)).toThrow(unencodable);
  });

  it('refuses what is nested so deep that it can not be written', () => {
    const deep = JSON.parse(nested(100_000)) as unknown;
    expect(() => json.encode(deep)).toThrow(unencodable);
  });
});

describe('JsonEncoder with BigInts', () => {
  it('reads integers exactly, those beyond 2^53 as BigInt', () => {
    const text = '[1, 9007199254740991, 9007199254740992, -9007199254740993, 9007199254740993.0, 1e20]';
    expect(decode(text, big)).toEqual([
      1,
      9_007_199_254_740_991,
      9_007_199_254_740_992n,
      -9_007_199_254_740_993n,
      9_007_199_254_740_992,
      1e20,
    ]);
  });

  it('leaves digits in strings and keys alone', () => {
    const text = '{"12345678901234567890":"12345678901234567890"}';
    expect(encode(decode(text, big), big)).toBe(text);
  });

  it('writes BigInts as integers and nothing else so', () => {
    const value = { a: 2n ** 63n, b: [-1n, '1', null], c: `00000000-0000-4000-8000-00000000000012` };
    expect(encode(value, big)).toBe(
      '{"a":9223372036854775808,"b":[-1,"1",null],"c":"00000000-0000-4000-8000-00000000000012"}',
    );
  });

  it('writes what decodes to the same integer', () => {
    fc.assert(
      fc.property(fc.bigInt(), (integer) => {
        // Small ones come back as numbers: compare their digits.
        expect(String(big.decode(big.encode(integer)))).toBe(String(integer));
      }),
    );
  });

  it('refuses integers that take too long to read', () => {
    expect(decode(`-${'9'.repeat(4_300)}`, big)).toBe(-(10n ** 4_300n) + 1n);
    expect(() => decode('9'.repeat(4_301), big)).toThrow(
      malformed('body has an integer of more than 4300 digits'),
    );
  });
});

describe('JsonEncoder', () => {
  it.each([0, -1, 1.5, NaN, Infinity])('refuses a maxDepth of %d', (maxDepth) => {
    expect(() => new JsonEncoder({ maxDepth })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'maxDepth' }),
    );
  });
});

/** JSON that tells -0 from 0. */
function show(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (Object.is(item, -0) ? '-0' : item)) ?? '';
}
