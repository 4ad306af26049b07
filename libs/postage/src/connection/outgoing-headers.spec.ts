import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../errors.js';
import { checkFinite, checkFits, unwritable } from './outgoing-headers.js';
import type { MessageProperties } from './port.js';

const fits = (properties: MessageProperties, maxFrameBytes: number | undefined): boolean => {
  const message = { exchange: '', routingKey: '', content: Buffer.alloc(0), mandatory: false, properties };
  try {
    checkFits(message, maxFrameBytes);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'headers' });
    return false;
  }
};

describe('checkFits', () => {
  it.each([
    ['a long text', { text: 'x'.repeat(5_000) }],
    ['a long text in a list in a table', { table: { list: ['x'.repeat(5_000)] } }],
    ['a buffer', { bytes: Buffer.alloc(5_000) }],
    ['many keys', Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`key ${index}`, true]))],
  ])('refuses %s where the frames of the broker are small', (_what, headers) => {
    expect(fits({ headers }, 4_096)).toBe(false);
    expect(fits({ headers }, 131_072)).toBe(true);
    expect(fits({ headers }, undefined)).toBe(true);
  });

  it('lets through what fits', () => {
    expect(fits({ messageId: 'm', headers: { text: 'x'.repeat(3_900) } }, 4_096)).toBe(true);
    expect(fits({}, 4_096)).toBe(true);
  });
});

describe('checkFinite', () => {
  const check = (headers: MessageProperties['headers']): void =>
    checkFinite({
      exchange: '',
      routingKey: '',
      content: Buffer.alloc(0),
      mandatory: false,
      properties: { headers },
    });

  it.each([
    ['Infinity', { x: Infinity }],
    ['-Infinity', { x: -Infinity }],
    ['NaN in a list in a table', { x: { y: [1, Number.NaN] } }],
    ['one with a type', { x: { '!': 'double', value: Infinity } }],
  ])('refuses %s, of which RabbitMQ would end the whole connection', (_what, headers) => {
    expect(() => check(headers)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'headers' }),
    );
  });

  it('lets through all else, and ends where headers contain themselves', () => {
    const endless: Record<string, unknown> = { x: 1e308 };
    endless['self'] = endless;
    expect(() => check(endless)).not.toThrow();
    expect(() => check({ bytes: Buffer.alloc(10), none: null, text: 'x' })).not.toThrow();
    expect(() => check(undefined)).not.toThrow();
  });
});

describe('unwritable', () => {
  it.for([
    [
      new RangeError('Encoded field table (headers or arguments) exceeds the 65536 byte encoding buffer'),
      'headers',
    ],
    [new RangeError('Maximum call stack size exceeded'), 'headers'],
    [new TypeError('Unknown type to encode: bigint'), 'headers'],
    [new TypeError("Field 'headers' is the wrong type; must be an object"), 'headers'],
    [new TypeError("Field 'replyTo' is the wrong type; must be a string (up to 255 chars)"), 'replyTo'],
  ] as const)('makes %s an error that names the option', ([error, option]) => {
    expect(unwritable(error)).toBeInstanceOf(InvalidOptionError);
    expect(unwritable(error)).toMatchObject({ option, cause: error });
  });

  it('leaves other errors as they are', () => {
    const error = new Error('Channel closed');
    expect(unwritable(error)).toBe(error);
  });
});
