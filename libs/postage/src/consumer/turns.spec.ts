import { describe, expect, it } from 'vitest';
import { deferred } from '../connection/deferred.js';
import { Turns } from './turns.js';

describe('Turns', () => {
  it('runs work with the same key one after the other, in the order of the calls, and other work at once', async () => {
    const turns = new Turns();
    const told: string[] = [];
    const gates = [deferred<void>(), deferred<void>()] as const;
    const first = turns.take('a', async () => {
      told.push('a1 begins');
      await gates[0].promise;
      told.push('a1 ends');
      return 1;
    });
    const second = turns.take('a', async () => {
      told.push('a2 begins');
      return 2;
    });
    const other = turns.take('b', async () => {
      told.push('b begins');
      return 3;
    });
    expect(await other).toBe(3);
    expect(told).toEqual(['a1 begins', 'b begins']);
    gates[0].resolve();
    expect(await Promise.all([first, second])).toEqual([1, 2]);
    expect(told).toEqual(['a1 begins', 'b begins', 'a1 ends', 'a2 begins']);
  });

  it('goes on after work that has failed, and tells only its own caller', async () => {
    const turns = new Turns();
    const failing = turns.take('a', () => Promise.reject(new Error('broken')));
    const next = turns.take('a', async () => 'next');
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('next');
    expect(await turns.take('a', async () => 'later')).toBe('later');
  });
});
