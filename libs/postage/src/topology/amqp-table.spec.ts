import { describe, expect, it } from 'vitest';
import { canonical, freezeTable } from './amqp-table.js';

const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });

describe('freezeTable', () => {
  it('copies what AMQP can carry', () => {
    const table = { text: 'a', number: 1.5, yes: true, nothing: null, list: [1, ['x']], inner: { deep: -1 } };

    expect(freezeTable(table, 'arguments')).toEqual(table);
  });

  it('freezes the copy at every depth, and leaves the original alone', () => {
    const table = { list: [{ deep: 1 }] };

    const frozen = freezeTable(table, 'arguments');

    expect(frozen).not.toBe(table);
    expect(Object.isFrozen(table)).toBe(false);
    expect(Object.isFrozen(frozen)).toBe(true);
    expect(Object.isFrozen(frozen['list'])).toBe(true);
    expect(Object.isFrozen((frozen['list'] as readonly unknown[])[0])).toBe(true);
  });

  it('keeps a key named __proto__ a key', () => {
    const table: unknown = JSON.parse('{"__proto__":{"polluted":1}}');

    const frozen = freezeTable(table, 'arguments');

    expect(Object.getPrototypeOf(frozen)).toBe(Object.prototype);
    expect(Object.keys(frozen)).toEqual(['__proto__']);
  });

  it.each([
    ['undefined', { a: undefined }, 'arguments["a"]'],
    ['NaN', { a: Number.NaN }, 'arguments["a"]'],
    ['infinity', { a: Number.POSITIVE_INFINITY }, 'arguments["a"]'],
    ['an integer that is not exact', { a: -(2 ** 53) }, 'arguments["a"]'],
    ['a bigint', { a: 1n }, 'arguments["a"]'],
    ['a Date', { a: new Date(0) }, 'arguments["a"]'],
    ['a Map', { a: new Map() }, 'arguments["a"]'],
    ['a Buffer', { a: Buffer.from('x') }, 'arguments["a"]'],
    ['a function', { a: () => 1 }, 'arguments["a"]'],
    ['a symbol', { a: Symbol('s') }, 'arguments["a"]'],
    ['a value deep inside', { a: [{ b: undefined }] }, 'arguments["a"][0]["b"]'],
    ['a hole in an array', { a: Object.assign([], { 1: 'x' }) }, 'arguments["a"][0]'],
    ['a key of 256 bytes', { ['é'.repeat(128)]: 1 }, `arguments["${'é'.repeat(128)}"]`],
    ['an array in place of the table', [], 'arguments'],
    ['null in place of the table', null, 'arguments'],
    ['a Map in place of the table', new Map(), 'arguments'],
  ])('refuses %s and names its place', (_what, table, option) => {
    expect(() => freezeTable(table, 'arguments')).toThrow(refusal(option));
  });

  it('refuses a table that contains itself', () => {
    const inner: unknown[] = [];
    const table = { inner };
    inner.push(table);

    expect(() => freezeTable(table, 'arguments')).toThrow(refusal('arguments["inner"][0]'));
  });

  it('accepts one value at two places', () => {
    const shared = { x: 1 };

    expect(freezeTable({ a: shared, b: [shared] }, 'arguments')).toEqual({ a: { x: 1 }, b: [{ x: 1 }] });
  });
});

describe('canonical', () => {
  it('does not depend on the order of keys', () => {
    expect(canonical({ a: 1, b: { c: 2, d: 3 } })).toBe(canonical({ b: { d: 3, c: 2 }, a: 1 }));
  });

  it.each([
    [1, '1'],
    [null, 'null'],
    [null, undefined],
    [true, 'true'],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [{ a: 1 }, { a: 1, b: 1 }],
    [['a,b'], ['a', 'b']],
  ])('tells %j and %j apart', (one, other) => {
    expect(canonical(one)).not.toBe(canonical(other));
  });
});
