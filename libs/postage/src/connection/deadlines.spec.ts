import { AsyncLocalStorage } from 'node:async_hooks';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadlines, type Deadline } from './deadlines.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Deadlines, and who was told at which time. */
const start = () => {
  const deadlines = new Deadlines();
  const startedMs = performance.now();
  const told: (readonly [name: string, atMs: number])[] = [];
  const add = (name: string, ms: number, then: () => void = () => undefined): Deadline =>
    deadlines.add(ms, {
      onTimeUp: () => {
        told.push([name, performance.now() - startedMs]);
        then();
      },
    });
  return { deadlines, told, add };
};
const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('Deadlines', () => {
  it('tells each at its time, once', () => {
    const { told, add } = start();
    add('a', 100);
    pass(30);
    add('b', 100);
    add('c', 50);
    pass(1_000);
    expect(told).toEqual([
      ['c', 80],
      ['a', 100],
      ['b', 130],
    ]);
  });

  it('has one timer for all that have as much time, which keeps no process alive when nobody waits', () => {
    const { deadlines, add } = start();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const kept = (): readonly boolean[] => timers.mock.results.map(({ value }) => value.hasRef());
    const all = Array.from({ length: 10 }, (_, n) => add(String(n), 100));
    const other = add('other', 200);
    expect([kept(), deadlines.size]).toEqual([[true, true], 11]);
    for (const each of all) each.cancel();
    expect([kept(), deadlines.size]).toEqual([[false, true], 1]);
    other.cancel();
    other.cancel();
    expect([kept(), deadlines.size]).toEqual([[false, false], 0]);
    add('next', 100);
    expect(kept()).toEqual([true, false]);
    pass(200);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps few timers, however many times somebody asked for another duration', () => {
    const { add } = start();
    for (let ms = 1_000; ms < 2_000; ms += 1) add('x', ms).cancel();
    expect(vi.getTimerCount()).toBeLessThan(40);
  });

  it('tells nobody early: neither for one that came before, nor for a part of a millisecond', () => {
    const { told, add } = start();
    const gone = add('gone', 100);
    pass(60);
    add('here', 99.2);
    gone.cancel();
    pass(99);
    expect(told).toEqual([]);
    pass(1);
    expect(told).toEqual([['here', 160]]);
  });

  it('waits on where the timer is early by the clock', () => {
    const { told, add } = start();
    add('a', 100);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 99.5);
    pass(100);
    expect(told).toEqual([]);
    clock.mockRestore();
    pass(1);
    expect(told).toEqual([['a', 101]]);
  });

  it.each([0, -5, 0.3])('takes %d ms for one: nobody is told before it is done with asking', (ms) => {
    const { told, add } = start();
    add('a', ms);
    expect(told).toEqual([]);
    pass(1);
    expect(told).toEqual([['a', 1]]);
  });

  it('lets those who are told ask again, and keep others from being told', () => {
    const { told, add } = start();
    add('first', 100, () => {
      second.cancel();
      add('again', 100);
    });
    const second = add('second', 100);
    pass(100);
    pass(100);
    expect(told).toEqual([
      ['first', 100],
      ['again', 200],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells the others although one throws', () => {
    const { told, add } = start();
    add('bad', 100, () => {
      throw new Error('not now');
    });
    add('good', 100);
    expect(() => pass(100)).toThrow('not now');
    pass(1);
    expect(told.map(([name]) => name)).toEqual(['bad', 'good']);
  });

  it('tells outside of the scope of whoever came first', () => {
    const deadlines = new Deadlines();
    const scope = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    scope.run('a handler', () => deadlines.add(100, { onTimeUp: () => seen.push(scope.getStore()) }));
    pass(100);
    expect(seen).toEqual([undefined]);
  });

  it('does as timers of their own do, whoever comes and leaves', () => {
    const step = fc.record({ ms: fc.integer({ min: 1, max: 60 }), passMs: fc.nat(20), leaves: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { told, add } = start();
        const expected: string[] = [];
        const all: (() => void)[] = [];
        for (const [index, { ms, passMs, leaves }] of steps.entries()) {
          const timer = setTimeout(() => expected.push(`${index}`), ms);
          const deadline = add(`${index}`, ms);
          all.push(() => {
            clearTimeout(timer);
            deadline.cancel();
          });
          all[leaves]?.();
          pass(passMs);
          expect(told.map(([name]) => name).toSorted()).toEqual(expected.toSorted());
        }
        pass(100);
        expect(told.map(([name]) => name).toSorted()).toEqual(expected.toSorted());
        expect(vi.getTimerCount()).toBe(0);
      }),
    );
  });
});
