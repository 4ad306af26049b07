import { describe, expect, it } from 'vitest';
import { defineEks, defineEqk, EMPTY_TOPOLOGY, exchangeTopology, topologyOf } from './binding.js';
import type { Eks, Eqk } from './binding.js';
import { DEFAULT_EXCHANGE, defineExchange } from './exchange.js';
import { defineQueue } from './queue.js';

const Echo = defineExchange({ name: 'echo-exchange' });
const Log = defineExchange({ name: 'log-exchange', type: 'topic' });
const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });
const bound = (exchange: string, queue: string, key: string, args = {}) => ({
  exchange,
  queue,
  key,
  arguments: args,
});

describe('defineEks', () => {
  it('freezes a copy and keeps the exchanges that were defined', () => {
    const eks: Eks = [[Echo, 'echo-rk']];

    const frozen = defineEks(eks);

    expect(frozen).toEqual(eks);
    expect(frozen).not.toBe(eks);
    expect(frozen[0]?.[0]).toBe(Echo);
    expect(Object.isFrozen(frozen)).toBe(true);
    expect(Object.isFrozen(frozen[0])).toBe(true);
    expect(Object.isFrozen(eks)).toBe(false);
  });

  it('freezes an exchange that is given as plain data', () => {
    const literal = { ...Echo, arguments: { a: [1] } };

    const exchange = defineEks([[literal, 'k']])[0]?.[0];

    expect(exchange).toEqual(literal);
    expect(Object.isFrozen(exchange)).toBe(true);
    expect(Object.isFrozen(exchange?.arguments['a'])).toBe(true);
    expect(Object.isFrozen(literal)).toBe(false);
    expect(Object.isFrozen(defineEks([[{ ...Echo }, 'k']])[0]?.[0])).toBe(true);
  });

  it('accepts an empty list, an empty key, and any key of the default exchange', () => {
    expect(defineEks([])).toEqual([]);
    expect(defineEks([[Log, '']])).toEqual([[Log, '']]);
    expect(defineEks([[DEFAULT_EXCHANGE, 'some-queue']])[0]?.[0]).toBe(DEFAULT_EXCHANGE);
  });

  it.each<[string, unknown, string]>([
    ['no list', Echo, 'eks'],
    ['a couple that is not in a list', [Echo, 'key'], 'eks[0]'],
    ['a couple without a key', [[Echo]], 'eks[0]'],
    ['a couple with something more', [[Echo, 'key', {}]], 'eks[0]'],
    [
      'an exchange by its name',
      [
        [Echo, 'key'],
        ['echo-exchange', 'key'],
      ],
      'eks[1][0]',
    ],
    ['an exchange as a class', [[class EchoExchange {}, 'key']], 'eks[0][0]'],
    ['a definition that was not defined', [[{ name: 'e', type: 'direct' }, 'key']], 'eks[0][0]'],
    [
      'an exchange that was tampered with',
      [[Object.freeze({ ...Echo, type: 'fan' }), 'key']],
      'eks[0][0].type',
    ],
    ['a key that is no string', [[Echo, 1]], 'eks[0][1]'],
    ['a key of 256 bytes', [[Echo, 'é'.repeat(128)]], 'eks[0][1]'],
  ])('refuses %s and names its place', (_what, eks, option) => {
    expect(() => defineEks(eks as Eks)).toThrow(refusal(option));
  });

  it('names the place as the caller wrote it', () => {
    expect(() => defineEks([[Echo, 1]] as unknown as Eks, 'options.eks')).toThrow(
      refusal('options.eks[0][1]'),
    );
  });

  it('tells what to write in place of a name', () => {
    const eks = [['echo-exchange', 'key']] as unknown as Eks;

    expect(() => defineEks(eks)).toThrow('Write defineExchange({ name: "echo-exchange", type: ... })');
  });
});

describe('defineEqk', () => {
  it('freezes a copy at every depth', () => {
    const eqk: Eqk = [[Echo, [[{ name: 'q', flags: { arguments: { a: [1] } } }, 'k', { 'x-match': 'all' }]]]];

    const frozen = defineEqk(eqk);

    expect(frozen).toEqual(eqk);
    const [entry] = frozen;
    const [binding] = entry?.[1] ?? [];
    for (const part of [frozen, entry, entry?.[1], binding, binding?.[0], binding?.[2]]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(frozen).toHaveProperty('0.1.0.0.flags.arguments.a');
    expect(isDeeplyFrozen(frozen)).toBe(true);
    expect(Object.isFrozen(eqk[0])).toBe(false);
  });

  it.each<[string, unknown, string]>([
    ['no list', undefined, 'eqk'],
    ['the flat pairs of a Python tuple', [Echo, [['q', 'k']]], 'eqk[0]'],
    ['an exchange without its list', [[Echo]], 'eqk[0]'],
    ['a binding that is not in a list', [[Echo, ['q', 'k']]], 'eqk[0][1][0]'],
    ['a name in place of bindings', [[Echo, 'q']], 'eqk[0][1]'],
    ['an exchange by its name', [['echo-exchange', []]], 'eqk[0][0]'],
    ['a binding without a key', [[Echo, [['q']]]], 'eqk[0][1][0]'],
    ['a binding with too much', [[Echo, [['q', 'k', {}, 1]]]], 'eqk[0][1][0]'],
    [
      'an empty queue name',
      [
        [
          Echo,
          [
            ['q', 'k'],
            ['', 'k'],
          ],
        ],
      ],
      'eqk[0][1][1][0]',
    ],
    [
      'a wrong flag',
      [[Echo, [[{ name: 'q', flags: { expiresMs: 0 } }, 'k']]]],
      'eqk[0][1][0][0].flags.expiresMs',
    ],
    ['a key that is no string', [[Echo, [['q', 7]]]], 'eqk[0][1][0][1]'],
    ['arguments that are no table', [[Echo, [['q', 'k', 'x-match']]]], 'eqk[0][1][0][2]'],
    ['another key for the default exchange', [[DEFAULT_EXCHANGE, [['q', 'k']]]], 'eqk[0][1][0][1]'],
    ['arguments for the default exchange', [[DEFAULT_EXCHANGE, [['q', 'q', {}]]]], 'eqk[0][1][0][2]'],
  ])('refuses %s and names its place', (_what, eqk, option) => {
    expect(() => defineEqk(eqk as Eqk)).toThrow(refusal(option));
  });
});

describe('topologyOf', () => {
  it('lists every entity once, in the order in which it is declared', () => {
    const eqk: Eqk = [
      [
        Echo,
        [
          ['q2', 'a'],
          ['q1', 'b'],
        ],
      ],
      [Log, [['q2', 'c', { 'x-match': 'any' }]]],
      [
        Echo,
        [
          ['q1', 'd'],
          ['q1', 'b'],
        ],
      ],
    ];

    const topology = topologyOf(eqk);

    expect(topology.exchanges).toEqual([Echo, Log]);
    expect(topology.queues).toEqual([defineQueue('q2'), defineQueue('q1')]);
    expect(topology.bindings).toEqual([
      bound('echo-exchange', 'q2', 'a'),
      bound('echo-exchange', 'q1', 'b'),
      bound('log-exchange', 'q2', 'c', { 'x-match': 'any' }),
      bound('echo-exchange', 'q1', 'd'),
    ]);
  });

  it('declares an exchange without bindings', () => {
    expect(topologyOf([[Echo, []]])).toEqual({ ...EMPTY_TOPOLOGY, exchanges: [Echo] });
    expect(topologyOf([])).toEqual(EMPTY_TOPOLOGY);
  });

  it('resolves queues for the given compatibility', () => {
    const eqk: Eqk = [[Echo, [['q', 'k']]]];

    expect(topologyOf(eqk).queues[0]?.durable).toBe(true);
    expect(topologyOf(eqk, { compatibility: 'python' }).queues[0]?.durable).toBe(false);
  });

  it('declares a queue beside the default exchange, and binds nothing', () => {
    expect(topologyOf([[DEFAULT_EXCHANGE, [['q', 'q']]]])).toEqual({
      exchanges: [],
      queues: [defineQueue('q')],
      bindings: [],
    });
  });

  it('declares a dead-letter exchange that is given whole, and not one that is named', () => {
    const Dead = defineExchange({ name: 'dead' });
    const through = (deadLetterExchange: typeof Dead | string) =>
      topologyOf([[Echo, [[{ name: 'q', flags: { deadLetterExchange } }, 'k']]]]).exchanges;

    expect(through(Dead)).toEqual([Echo, Dead]);
    expect(through('dead')).toEqual([Echo]);
    expect(through(DEFAULT_EXCHANGE)).toEqual([Echo]);
  });

  it('keeps bindings apart that differ in their arguments only', () => {
    const eqk: Eqk = [
      [
        Log,
        [
          ['q', 'k'],
          ['q', 'k', { a: 1 }],
          ['q', 'k', {}],
        ],
      ],
    ];

    expect(topologyOf(eqk).bindings).toEqual([
      bound('log-exchange', 'q', 'k'),
      bound('log-exchange', 'q', 'k', { a: 1 }),
    ]);
  });

  it('refuses two definitions of one queue, and names the field and both values', () => {
    const eqk: Eqk = [
      [
        Echo,
        [
          ['q', 'a'],
          [{ name: 'q', flags: { messageTtlMs: 5 } }, 'b'],
        ],
      ],
    ];

    expect(() => topologyOf(eqk)).toThrow(refusal('queue "q"'));
    expect(() => topologyOf(eqk)).toThrow(
      'once with arguments["x-message-ttl"] none and once with arguments["x-message-ttl"] 5',
    );
  });

  it('names the place of what is wrong as the caller wrote it', () => {
    expect(() => topologyOf([[Echo, [['', 'k']]]], { option: 'options.eqk' })).toThrow(
      refusal('options.eqk[0][1][0][0]'),
    );
  });

  it('freezes everything', () => {
    expect(isDeeplyFrozen(topologyOf([[{ ...Echo, arguments: {} }, [['q', 'k', { a: [1] }]]]]))).toBe(true);
  });
});

describe('exchangeTopology', () => {
  it('holds the exchange and nothing else', () => {
    expect(exchangeTopology(Echo)).toEqual({ exchanges: [Echo], queues: [], bindings: [] });
    expect(isDeeplyFrozen(exchangeTopology(Echo))).toBe(true);
  });

  it('is empty for the default exchange', () => {
    expect(exchangeTopology(DEFAULT_EXCHANGE)).toBe(EMPTY_TOPOLOGY);
  });
});

const isDeeplyFrozen = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));
