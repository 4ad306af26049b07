import { describe, expect, it } from 'vitest';
import { MalformedMessageError } from '../errors.js';
import { isRecord, parseBody } from './body.js';

const BODY = {
  type: 'command',
  name: 'echo',
  category: 'message',
  version: '2',
  fingerprint: { pid: '1' },
  content: { parameters: {} },
  _reserved: {},
};

const without = (key: keyof typeof BODY): object =>
  Object.fromEntries(Object.entries(BODY).filter(([name]) => name !== key));

describe('parseBody', () => {
  it('gives a body as it came', () => {
    expect(parseBody(BODY)).toEqual(BODY);
  });

  it.each([null, undefined, 'text', 7, true, [], [BODY]])('refuses %j, which is no object', (value) => {
    expect(() => parseBody(value)).toThrow(new MalformedMessageError('body', 'must be an object'));
  });

  it.each([
    ['type', 7],
    ['type', undefined],
    ['name', undefined],
    ['category', 'event'],
    ['category', 'RPC'],
    ['category', undefined],
    ['category', ['rpc']],
    ['content', undefined],
    ['content', null],
    ['content', []],
    ['content', 'text'],
    ['version', 2],
    ['fingerprint', 'me'],
    ['fingerprint', []],
    ['_reserved', 'x'],
  ])('refuses %s: %j, and names the field', (key, value) => {
    expect(() => parseBody({ ...BODY, [key]: value })).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE', field: `body.${key}` }),
    );
  });

  it.each(['type', 'name', 'category', 'content'] as const)('requires %s', (key) => {
    expect(() => parseBody(without(key))).toThrow(expect.objectContaining({ field: `body.${key}` }));
  });

  it.each([
    ['version', '2'],
    ['fingerprint', {}],
    ['_reserved', {}],
  ] as const)('fills in an absent %s, for no handler needs it', (key, value) => {
    expect(parseBody(without(key))).toEqual({ ...BODY, [key]: value });
    expect(parseBody({ ...BODY, [key]: null })).toEqual({ ...BODY, [key]: value });
  });

  it.each([null, 7, '', { code: 3 }])('takes %j as a name', (name) => {
    expect(parseBody({ ...BODY, name }).name).toEqual(name);
  });

  it('takes a version that it does not know', () => {
    expect(parseBody({ ...BODY, version: '3' }).version).toBe('3');
  });

  it('keeps keys that it does not know', () => {
    expect(parseBody({ ...BODY, trace: 'abc' })).toEqual({ ...BODY, trace: 'abc' });
  });

  it('leaves what it was given as it was', () => {
    const given = Object.freeze(without('version'));
    parseBody(given);
    expect(given).not.toHaveProperty('version');
  });
});

describe('isRecord', () => {
  it('is true for objects with keys only', () => {
    expect(isRecord({})).toBe(true);
    expect([null, undefined, [], 'text', 7].map(isRecord)).toEqual([false, false, false, false, false]);
  });
});
