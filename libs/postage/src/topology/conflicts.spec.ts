import { describe, expect, it } from 'vitest';
import { EMPTY_TOPOLOGY, exchangeTopology, mergeTopologies, topologyOf } from './binding.js';
import { defineExchange } from './exchange.js';
import type { Topology } from './types.js';

const Echo = defineExchange({ name: 'echo-exchange' });
const Log = defineExchange({ name: 'log-exchange', type: 'topic' });
const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });
const names = (entities: readonly { readonly name: string }[]): readonly string[] =>
  entities.map(({ name }) => name);

describe('mergeTopologies', () => {
  const one = topologyOf([[Echo, [['q1', 'a']]]]);
  const two = topologyOf([
    [Log, [['q2', 'b']]],
    [
      Echo,
      [
        ['q1', 'a'],
        ['q1', 'c'],
      ],
    ],
  ]);

  it('keeps every entity once, in order of first appearance', () => {
    const merged = mergeTopologies(one, two, one);

    expect(names(merged.exchanges)).toEqual(['echo-exchange', 'log-exchange']);
    expect(names(merged.queues)).toEqual(['q1', 'q2']);
    expect(merged.bindings.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    expect(isDeeplyFrozen(merged)).toBe(true);
  });

  it('makes nothing out of nothing', () => {
    expect(mergeTopologies()).toEqual(EMPTY_TOPOLOGY);
    expect(mergeTopologies(one, EMPTY_TOPOLOGY)).toEqual(one);
  });

  it('does not take a queue for an exchange of the same name', () => {
    const same = topologyOf([[Echo, [['echo-exchange', 'k']]]]);

    expect(same.exchanges).toHaveLength(1);
    expect(same.queues).toHaveLength(1);
  });

  it.each([
    ['type "direct" and once with type "topic"', { type: 'topic' as const }],
    ['durable true and once with durable false', { durable: false }],
    ['autoDelete false and once with autoDelete true', { autoDelete: true }],
    ['internal false and once with internal true', { internal: true }],
    [
      'arguments["alternate-exchange"] none and once with arguments["alternate-exchange"] "x"',
      { alternateExchange: 'x' },
    ],
  ])('refuses an exchange with %s', (text, fields) => {
    const other = exchangeTopology(defineExchange({ name: 'echo-exchange', ...fields }));

    expect(() => mergeTopologies(one, other)).toThrow(refusal('exchange "echo-exchange"'));
    expect(() => mergeTopologies(one, other)).toThrow(`once with ${text}.`);
  });

  it('accepts arguments in another order', () => {
    const define = (args: Readonly<Record<string, number>>): Topology =>
      exchangeTopology(defineExchange({ name: 'e', arguments: args }));

    expect(mergeTopologies(define({ a: 1, b: 2 }), define({ b: 2, a: 1 })).exchanges).toHaveLength(1);
  });

  it.each([
    ['assert', 'passive'],
    ['assert', 'assume'],
    ['passive', 'assume'],
  ] as const)('lets the one that says %s win over the one that says %s', (winner, loser) => {
    const strong = defineExchange({ name: 'e', type: 'topic', declare: winner });
    const weak = defineExchange({ name: 'e', type: 'direct', declare: loser });

    expect(mergeTopologies(exchangeTopology(strong), exchangeTopology(weak)).exchanges).toEqual([strong]);
    expect(mergeTopologies(exchangeTopology(weak), exchangeTopology(strong)).exchanges).toEqual([strong]);
  });

  it('does not compare what nobody declares', () => {
    const topic = defineExchange({ name: 'e', type: 'topic', declare: 'passive' });
    const direct = defineExchange({ name: 'e', type: 'direct', declare: 'passive' });

    expect(mergeTopologies(exchangeTopology(topic), exchangeTopology(direct)).exchanges).toEqual([topic]);
  });
});

const isDeeplyFrozen = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));
