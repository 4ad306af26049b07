import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonParser } from './json-parser.js';

const parse = (text: string): unknown => new JsonParser(text, Number).parse();

type Outcome = { readonly value: unknown } | 'refused';
const outcome = (read: (text: string) => unknown, text: string): Outcome => {
  try {
    return { value: read(text) };
  } catch {
    return 'refused';
  }
};

/** JSON with a piece taken out, put in or moved: mostly wrong, in all the ways that matter. */
const nearlyJson = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(),
    fc.nat(4),
    fc.constantFrom(
      '',
      '"',
      '\\',
      ',',
      ':',
      '[',
      ']',
      '{',
      '}',
      '-',
      '.',
      '0',
      'e',
      ' ',
      '\n',
      '\u00a0',
      '\u0001',
      'true',
      '\\u00',
      'é',
    ),
  )
  .map(([json, where, length, piece]) => {
    const at = where % (json.length + 1);
    return json.slice(0, at) + piece + json.slice(at + length);
  });

describe('JsonParser', () => {
  it('reads what JSON.parse reads, and refuses what it refuses', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), nearlyJson), (text) => {
        fc.pre(!/NaN|Infinity|__proto__/.test(text));
        expect(isDeepStrictEqual(outcome(parse, text), outcome(JSON.parse, text))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['01'],
    ['-'],
    ['1.'],
    ['.5'],
    ['+1'],
    ['1e'],
    ['-01'],
    ['0x1'],
    ["'a'"],
    ['[1,]'],
    ['[,1]'],
    ['{"a":1,}'],
    ['{,}'],
    ['{"a"}'],
    ['{"a":}'],
    ['{a:1}'],
    ['[1 2]'],
    ['[1}'],
    ['{"a":1]'],
    ['1 2'],
    ['"a'],
    ['"\\x"'],
    ['"\t"'],
    ['nul'],
    ['truex'],
    [''],
    [' '],
    ['\u00a01'],
    ['\v1'],
    ['undefined'],
  ])('refuses %j', (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE', field: 'body' }));
  });

  it.each<[string, unknown]>([
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['-Infinity', -Infinity],
    ['[NaN, -Infinity ,{"a":Infinity}]', [NaN, -Infinity, { a: Infinity }]],
    ['{"NaN":"Infinity","a\\"NaN":NaN}', { NaN: 'Infinity', 'a"NaN': NaN }],
  ])('reads %s as Python means it', (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  it.each([
    '-NaN',
    '+Infinity',
    '- Infinity',
    'nan',
    'NaN1',
    '1NaN',
    'NaNNaN',
    '1Infinity',
    'Infinity5',
    '{NaN:1}',
    '[-]',
  ])('refuses %s, which Python does not write', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' }));
  });

  it('leaves out __proto__ keys at any depth, and nothing else', () => {
    const inner = String.raw`{"\u005f_proto__":{"x":2},"constructor":3,"__proto":4}`;
    const text = `{"__proto__":{"x":1},"a":[${inner}],"b":"__proto__"}`;
    const value = parse(text) as { readonly a: readonly [object] };
    expect(JSON.stringify(value)).toBe('{"a":[{"constructor":3,"__proto":4}],"b":"__proto__"}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(value.a[0])).toBe(Object.prototype);
  });

  it('skips the four kinds of white space, and no other', () => {
    expect(parse(' \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n')).toEqual([1, 2]);
    for (const space of ['\v', '\f', '\u00a0', '\u2028', '\uFEFF'])
      expect(() => parse(`[${space}1]`)).toThrow('position 1');
  });

  it('lets the last of equal keys win, as JSON.parse does', () => {
    expect(JSON.stringify(parse('{"a":1,"b":2,"a":3}'))).toBe('{"a":3,"b":2}');
  });

  it('hands integers, and only those, to the reader', () => {
    const digits: string[] = [];
    const read = (token: string): string => {
      digits.push(token);
      return token;
    };
    new JsonParser('[1, -20, 1.5, 1e3, 2E-1, "7", true, NaN, Infinity, {"8": 0}]', read).parse();
    expect(digits).toEqual(['1', '-20', '0']);
  });

  it('tells where the text is wrong, and not what it says', () => {
    expect(() => parse('["secret", oops]')).toThrow(
      'body is not JSON: an unexpected character at position 11',
    );
    expect(() => parse('["secret"')).toThrow('body is not JSON: an unexpected end at position 9');
  });

  it('does not use up the stack', () => {
    let value = parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    let depth = 0;
    for (; Array.isArray(value); value = value[0]) depth += 1;
    expect(depth).toBe(100_000);
  });
});
