import { describe, expect, it } from 'vitest';
import { defineExchange } from '../topology/exchange.js';
import type { Handler } from './handlers.js';
import { planQueues, type ProcessorScope } from './queue-plan.js';

const Work = defineExchange({ name: 'work' });
const Other = defineExchange({ name: 'other' });

const handlerOf = (label: string): Handler => ({
  pattern: { category: 'message', type: 'command', name: label },
  label,
  filters: [],
  repliesItself: false,
  invoke: async () => undefined,
});

const plan = (scopes: readonly ProcessorScope[]) =>
  planQueues({
    scopes,
    handlers: scopes.map((scope) => ({ scope, handler: handlerOf(scope.label) })),
    defaultPrefetch: 32,
    compatibility: 'none',
  });

describe('planQueues', () => {
  it('gives a queue that two processors name one plan, with the bindings and handlers of both', () => {
    const plans = plan([
      {
        label: 'A',
        eqk: [
          [
            Work,
            [
              ['shared', 'a'],
              ['own', 'x'],
            ],
          ],
        ],
      },
      { label: 'B', eqk: [[Other, [['shared', 'b']]]], prefetch: 5 },
    ]);
    expect(
      plans.map(({ queue, prefetch, handlers }) => [
        queue.name,
        prefetch,
        handlers.map(({ label }) => label),
      ]),
    ).toEqual([
      ['shared', 5, ['A', 'B']],
      ['own', 32, ['A']],
    ]);
    expect(plans[0]?.topology.bindings.map(({ exchange, key }) => [exchange, key])).toEqual([
      ['work', 'a'],
      ['other', 'b'],
    ]);
    expect(plans[1]?.topology.exchanges.map(({ name }) => name)).toEqual(['work']);
  });

  it('declares the exchange that a queue sends its dead letters to', () => {
    const flags = { deadLetterExchange: Other };
    const plans = plan([{ label: 'A', eqk: [[Work, [[{ name: 'q', flags }, 'k']]]] }]);
    expect(plans[0]?.topology.exchanges.map(({ name }) => name).toSorted()).toEqual(['other', 'work']);
  });

  it('refuses two prefetches for one queue, naming both processors', () => {
    const scopes = [
      { label: 'A', eqk: [[Work, [['shared', 'a']]]], prefetch: 1 },
      { label: 'B', eqk: [[Work, [['shared', 'b']]]], prefetch: 2 },
    ] as const;
    expect(() => plan(scopes)).toThrow('A (1) and B (2) share queue "shared"');
  });

  it.for([0, -1, 1.5, 65_536, Number.NaN])('refuses a prefetch of %s', (prefetch) => {
    expect(() => plan([{ label: 'A', eqk: [[Work, [['q', 'k']]]], prefetch }])).toThrow(
      expect.objectContaining({ option: 'prefetch' }),
    );
  });
});
