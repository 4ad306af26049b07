import fc from 'fast-check';
import type { MessageProperties } from 'nestjs-postage';

/** What any client could put on a queue that its broker lets it write to. */
export interface HostileMessage {
  readonly content: Buffer;
  readonly properties: MessageProperties;
}

/** The same seed makes the same messages; `POSTAGE_FUZZ_SEED=1` others. */
export const SEED = Number(process.env['POSTAGE_FUZZ_SEED'] ?? 20_261_126);

export const hostileMessages = (count: number, seed = SEED): HostileMessage[] =>
  fc.sample(fc.record({ content: contents, properties }), { numRuns: count, seed });

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'valueOf',
  'toJSON',
  'length',
  'args',
  'kwds',
  'parameters',
  'content',
  'group_name',
  '',
  ' ',
  'ключ',
] as const;

const keys = fc.oneof(fc.constantFrom(...KEYS), fc.string({ maxLength: 6 }));

/** Any code units, lone surrogates too. */
const texts = fc.oneof(
  fc.constantFrom('', 'command', 'note', 'echo', 'rpc', '2', '__proto__', '\ud800', 'a\udc00b', '\u0000'),
  fc.string({ maxLength: 12, unit: 'binary' }),
  fc.string({ maxLength: 12 }),
);

const quoted = texts.map((text) => JSON.stringify(text));

const scalars = fc.oneof(
  fc.constantFrom(
    'true',
    'false',
    'null',
    'NaN',
    '-Infinity',
    '-0',
    '0',
    '1e999',
    '-1e999',
    '1e-999',
    '9007199254740993',
    '0.1',
    '1E5',
    `1${'0'.repeat(400)}`,
  ),
  fc.integer().map(String),
  fc.double().map(String),
  quoted,
);

const noJson = fc.constantFrom(
  '01',
  '.5',
  '1.',
  '+1',
  'undefined',
  '0x10',
  "'x'",
  '"\\x41"',
  '[1,]',
  '{a:1}',
);

/** JSON, or nearly: keys that are there twice, keys that mean something to JavaScript, numbers that are none. */
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: false },
    { weight: 90, arbitrary: scalars },
    { weight: 1, arbitrary: noJson },
    { weight: 30, arbitrary: fc.array(tie('tree'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`) },
    {
      weight: 60,
      arbitrary: fc
        .array(fc.tuple(keys, tie('tree')), { maxLength: 4 })
        .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
    },
  ),
}));

const often = <T>(common: fc.Arbitrary<T>, others: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: common }, { weight: 1, arbitrary: others });

const NAMES = [
  'note',
  'echo',
  'relay',
  'fail',
  'ping',
  'describe',
  'quit',
  'restart',
  'join_group',
  'leave_group',
];

const fields = fc.record({
  type: often(fc.constant('"command"'), tree),
  name: often(
    fc.constantFrom(...NAMES).map((name) => `"${name}"`),
    tree,
  ),
  category: often(fc.constantFrom('"message"', '"rpc"'), tree),
  version: often(fc.constant('"2"'), tree),
  fingerprint: often(fc.constant('{}'), tree),
  content: often(
    tree.map((value) => `{"parameters":${value}}`),
    tree,
  ),
  _reserved: often(fc.constant('{}'), tree),
});

/** The parts of a message, each as it should be or otherwise, in any order, some of them missing or twice. */
const bodies = fc
  .tuple(fields, fc.array(fc.tuple(keys, tree), { maxLength: 2 }), fc.nat(7), fc.nat(6))
  .map(([parts, extra, cut, turn]) => {
    const entries = Object.entries(parts);
    const kept = cut < 2 ? entries.filter((_, index) => index !== turn) : entries;
    const turned = [...kept.slice(turn), ...kept.slice(0, turn), ...extra];
    return `{${turned.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
  });

const DEEP = 100_000;
const monsters = fc.constantFrom(
  '['.repeat(DEEP),
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  '{"a":'.repeat(DEEP),
  `{"type":"command","name":"note","category":"message","content":{"parameters":${'['.repeat(2_000)}${']'.repeat(2_000)}}}`,
  `{"type":"command","name":"echo","category":"rpc","content":{"parameters":${'9'.repeat(100_000)}}}`,
  `"${'\\u005f'.repeat(20_000)}"`,
  ' '.repeat(100_000),
  '"'.repeat(10_001),
);

/** Bytes that are not, or not only, what a text would be in UTF-8. */
const damaged = fc
  .tuple(bodies, fc.constantFrom('\ufeff', '', '\u0000', ' '), fc.uint8Array({ maxLength: 4 }), fc.nat(200))
  .map(([text, before, noise, at]) => {
    const bytes = Buffer.from(before + text);
    const cut = Math.min(at, bytes.length);
    return Buffer.concat([bytes.subarray(0, cut), noise, bytes.subarray(cut)]);
  });

const asBytes = (text: string): Buffer => Buffer.from(text);

const contents: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 120, arbitrary: bodies.map(asBytes) },
  { weight: 15, arbitrary: damaged },
  { weight: 8, arbitrary: tree.map(asBytes) },
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 4, arbitrary: bodies.map((text) => Buffer.from(text, 'utf16le')) },
  { weight: 4, arbitrary: bodies.map((text) => asBytes(text.slice(0, text.length >> 1))) },
  { weight: 1, arbitrary: monsters.map(asBytes) },
);

// Without x-death: one that is no list of tables crashes the queue itself when RabbitMQ 3.10 dead-letters the message.
const HEADERS = [
  'postage-remaining-ms',
  'postage-attempt',
  'postage-error-name',
  'postage-correlation-id',
  'postage-causation-id',
  'postage-groups',
  'postage-interval-ms',
  'x-delay',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
] as const;

const short = fc.oneof(
  fc.constantFrom('', '__proto__', 'constructor', '\ud800', '0'),
  fc.string({ maxLength: 20 }),
);

/** Whatever an AMQP table can hold, written by amqplib or in memory. */
const { value: tableValues } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 4, arbitrary: short },
    { weight: 4, arbitrary: fc.constantFrom(0, -1, 1, 5e-324, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53)) },
    { weight: 2, arbitrary: fc.constantFrom(true, false, null) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.constant({ '!': 'timestamp', value: 4_000_000_000 }) },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...HEADERS), tie('value'), { maxKeys: 3 }) },
  ),
}));

const headers = fc.dictionary(
  fc.oneof(fc.constantFrom(...HEADERS), fc.string({ maxLength: 8 })),
  tableValues,
  {
    maxKeys: 6,
  },
);

const perhaps = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });

/** What RabbitMQ itself refuses (a header that is Infinity, an `expiration` that is no number, another user's `userId`) reaches nobody. */
const properties: fc.Arbitrary<MessageProperties> = fc.record({
  contentType: fc.oneof(
    {
      weight: 20,
      arbitrary: fc.constantFrom('application/json', undefined, '', 'Application/JSON; charset=x'),
    },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom('__proto__', 'application/x-python-pickle'), short) },
  ),
  contentEncoding: perhaps(fc.oneof(fc.constantFrom('gzip', 'utf-8'), short)),
  headers: perhaps(headers),
  deliveryMode: perhaps(fc.constantFrom(1, 2)),
  priority: perhaps(fc.nat(255)),
  correlationId: perhaps(short),
  replyTo: perhaps(fc.oneof(fc.constantFrom('nobody', 'sink', 'amq.gen-none'), fc.string({ maxLength: 10 }))),
  expiration: perhaps(fc.constantFrom('600000', '4294967295')),
  messageId: perhaps(fc.oneof(fc.constantFrom('same', 'again'), short)),
  timestamp: perhaps(fc.constantFrom(0, 1, 2 ** 32, 2 ** 53)),
  type: perhaps(short),
  appId: perhaps(short),
});
