import type { AmqpTable } from '../../../libs/postage/src/topology/types.js';

/** What is published to a topic exchange; the order is that of the expected deliveries. */
export const TOPIC_KEYS = [
  '',
  'a',
  'b',
  '.',
  'a.',
  '.a',
  '..',
  'a.b',
  'a..b',
  'a.b.c',
  'a.b.c.d',
  'b.a',
  'a.a',
  'a.#',
  '*',
  '#',
  'A',
  'ab',
  'a.b.a',
];

/** Topic pattern -> the keys that it matches. RabbitMQ takes the empty key for no words, and `a.` for two. */
export const TOPIC_TABLE: Readonly<Record<string, readonly string[]>> = {
  '': [''],
  a: ['a'],
  '#': TOPIC_KEYS,
  '#.#': TOPIC_KEYS,
  '*': ['a', 'b', '*', '#', 'A', 'ab'],
  '*.*': ['.', 'a.', '.a', 'a.b', 'b.a', 'a.a', 'a.#'],
  '#.*': TOPIC_KEYS.filter((key) => key !== ''),
  '*.#': TOPIC_KEYS.filter((key) => key !== ''),
  'a.*': ['a.', 'a.b', 'a.a', 'a.#'],
  'a.#': ['a', 'a.', 'a.b', 'a..b', 'a.b.c', 'a.b.c.d', 'a.a', 'a.#', 'a.b.a'],
  '#.a': ['a', '.a', 'b.a', 'a.a', 'a.b.a'],
  'a.#.a': ['a.a', 'a.b.a'],
  '#.b.#': ['b', 'a.b', 'a..b', 'a.b.c', 'a.b.c.d', 'b.a', 'a.b.a'],
  'a.*.#': ['a.', 'a.b', 'a..b', 'a.b.c', 'a.b.c.d', 'a.a', 'a.#', 'a.b.a'],
  'a.#.*': ['a.', 'a.b', 'a..b', 'a.b.c', 'a.b.c.d', 'a.a', 'a.#', 'a.b.a'],
  'a.*.c': ['a.b.c'],
  'a.*.*.d': ['a.b.c.d'],
  'a..b': ['a..b'],
  'a.': ['a.'],
  '.': ['.'],
  '*.': ['.', 'a.'],
  '#.': ['.', 'a.', '..'],
  'a*': [],
  'a.b#': [],
};

type Headers = Readonly<Record<string, unknown>>;

export interface HeadersCase {
  readonly pattern: AmqpTable;
  readonly matching: readonly Headers[];
  readonly other: readonly Headers[];
}

/** Arguments of a binding to a headers exchange, and the headers of messages that match or do not. */
export const HEADERS_TABLE: readonly HeadersCase[] = [
  {
    pattern: { 'x-match': 'all', a: 1, b: 'x' },
    matching: [
      { a: 1, b: 'x' },
      { a: 1, b: 'x', c: 3 },
    ],
    other: [{}, { a: 1 }, { a: 1, b: 'y' }, { a: '1', b: 'x' }, { a: null, b: 'x' }],
  },
  {
    pattern: { a: 1, b: 'x' },
    matching: [{ a: 1, b: 'x' }],
    other: [{}, { a: 1 }],
  },
  {
    pattern: { 'x-match': 'any', a: 1, b: 'x' },
    matching: [{ a: 1 }, { b: 'x' }, { a: 2, b: 'x' }, { a: 1, b: 'x', c: 3 }],
    other: [{}, { a: 2 }, { c: 1 }, { a: '1' }],
  },
  { pattern: { 'x-match': 'all' }, matching: [{}, { a: 1 }], other: [] },
  { pattern: {}, matching: [{}, { a: 1 }], other: [] },
  { pattern: { 'x-match': 'any' }, matching: [], other: [{}, { a: 1 }] },
  {
    pattern: { 'x-match': 'all', a: 1, 'x-tenant': 'eu' },
    matching: [{ a: 1 }, { a: 1, 'x-tenant': 'us' }],
    other: [{}, { 'x-tenant': 'eu' }],
  },
  {
    pattern: { 'x-match': 'any', 'x-tenant': 'eu' },
    matching: [],
    other: [{ 'x-tenant': 'eu' }, {}],
  },
  {
    pattern: { 'x-match': 'all-with-x', a: 1, 'x-tenant': 'eu' },
    matching: [{ a: 1, 'x-tenant': 'eu' }],
    other: [{ a: 1 }, { a: 1, 'x-tenant': 'us' }, { 'x-tenant': 'eu' }],
  },
  {
    pattern: { 'x-match': 'any-with-x', a: 1, 'x-tenant': 'eu' },
    matching: [{ a: 1 }, { 'x-tenant': 'eu' }],
    other: [{}, { a: 2, 'x-tenant': 'us' }],
  },
  {
    pattern: { a: null },
    matching: [{ a: 1 }, { a: 'x' }, { a: null }, { a: false }],
    other: [{}, { b: 1 }],
  },
  {
    pattern: { a: true, b: 1.5, c: [1, 'x'], d: { e: 1 } },
    matching: [{ a: true, b: 1.5, c: [1, 'x'], d: { e: 1 } }],
    other: [
      { a: false, b: 1.5, c: [1, 'x'], d: { e: 1 } },
      { a: true, b: 1.5, c: [1, 'y'], d: { e: 1 } },
      { a: true, b: 1.5, c: [1, 'x'], d: { e: 2 } },
    ],
  },
];
