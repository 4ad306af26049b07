import { describe, expect, it } from 'vitest';
import { defineExchange } from '../topology/exchange.js';
import { queuesOfTarget } from './pause-target.js';
import { Pauses } from './pauses.js';
import type { ProcessorScope } from './queue-plan.js';

describe('Pauses', () => {
  it('covers what is named, and everything else where everything is paused', () => {
    const pauses = new Pauses();
    pauses.set(['a'], true);
    expect(['a', 'b'].map((queue) => pauses.isPaused(queue))).toEqual([true, false]);
    pauses.set(undefined, true);
    pauses.set(['a'], false);
    expect(['a', 'b'].map((queue) => pauses.isPaused(queue))).toEqual([false, true]);
    pauses.set(undefined, false);
    expect(['a', 'b'].map((queue) => pauses.isPaused(queue))).toEqual([false, false]);
  });

  it('forgets what was said of a queue by its name', () => {
    const pauses = new Pauses();
    pauses.set(['a'], true);
    pauses.forget('a');
    expect(pauses.isPaused('a')).toBe(false);
  });

  it('spares a queue where everything is paused, but not where it is named', () => {
    const pauses = new Pauses();
    pauses.spare('commands');
    pauses.set(undefined, true);
    expect(pauses.isPaused('commands')).toBe(false);
    pauses.set(['commands'], true);
    expect(pauses.isPaused('commands')).toBe(true);
  });
});

describe('queuesOfTarget', () => {
  class Own {}
  class Other {}
  const Exchange = defineExchange({ name: 'x' });
  const scopes: readonly ProcessorScope[] = [
    { label: 'the server', eqk: [] },
    { label: 'Own', eqk: [[Exchange, [['q1', 'a'], ['q2', 'b']]]], source: Own }, // prettier-ignore
    { label: 'Other', eqk: [], source: Other },
  ];
  const targets = {
    scopes,
    ownEqk: [[Exchange, [['own', 'c']]]],
    compatibility: 'none',
    further: ['late'],
  } as const;

  it.for([
    [Own, ['q1', 'q2']],
    [Other, ['own']],
    ['q2', ['q2']],
    ['own', ['own']],
    ['late', ['late']],
  ] as const)('finds the queues of %s', ([target, queues]) => {
    expect(queuesOfTarget(target, targets)).toEqual(queues);
  });

  it.for(['q3', class Stranger {}, {}])('refuses %s, and says what there is', (target) => {
    expect(() => queuesOfTarget(target, targets)).toThrow(
      'is neither a processor nor a queue of this consumer. Processors: Own, Other. Queues: own, q1, q2, late.',
    );
  });
});
