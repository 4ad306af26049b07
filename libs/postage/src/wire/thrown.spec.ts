import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { describeThrown } from './thrown.js';

class KeyError extends Error {}
class Silent extends Error {
  override readonly message: string = undefined as unknown as string;
}
const named = Object.assign(new Error('stop'), { name: 'AbortError' });
const anonymous = new (class extends Error {})('x');
const unreadable = new Proxy(new Error('x'), {
  get: () => {
    throw new Error('no');
  },
});

describe('describeThrown', () => {
  it.each<[string, unknown, string, string]>([
    ['an error by its class', new KeyError('group_name'), 'KeyError', 'group_name'],
    ['a built-in error by its class', new TypeError('bad'), 'TypeError', 'bad'],
    ['a plain error', new Error('bad'), 'Error', 'bad'],
    ['a plain error by the name it was given', named, 'AbortError', 'stop'],
    ['an error of an unnamed class', anonymous, 'Error', 'x'],
    ['an error without text', new Silent(), 'Silent', ''],
    ['an error of another realm', runInNewContext('new RangeError("far")'), 'RangeError', 'far'],
    ['an object that looks like an error', { name: 'Refused', message: 'no' }, 'Refused', 'no'],
    ['an object with a constructor of its own', { constructor: { name: 7 }, message: 'no' }, 'Error', 'no'],
    [
      'an error-like object without prototype',
      Object.assign(Object.create(null), { message: 'm' }),
      'Error',
      'm',
    ],
    ['a string', 'broken', 'Error', 'broken'],
    ['undefined', undefined, 'Error', 'undefined'],
    ['null', null, 'Error', 'null'],
    ['a symbol', Symbol('s'), 'Error', 'Symbol(s)'],
    ['a BigInt', 7n, 'Error', '7'],
    ['any other object', { code: 3 }, 'Error', '[object Object]'],
  ])('describes %s', (_, thrown, name, message) => {
    expect(describeThrown(thrown)).toEqual({ name, message });
  });

  it.each([
    Object.create(null),
    unreadable,
    {
      toString: () => {
        throw new Error('no');
      },
    },
  ])('describes what can not be described', (thrown) => {
    expect(describeThrown(thrown)).toEqual({
      name: 'Error',
      message: 'something that can not be described was thrown',
    });
  });

  it('never tells the source of a function, nor a stack', () => {
    const secret = (): string => 'top secret';
    expect(JSON.stringify([describeThrown(secret), describeThrown(new Error('x'))])).not.toMatch(
      /top secret|at /,
    );
    expect(describeThrown(secret).message).toBe('function secret');
  });
});
