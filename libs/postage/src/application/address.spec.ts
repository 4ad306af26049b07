import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Address, checkName, checkPart, checkPid, type AddressParts } from './address.js';

const refusal = (option: string): unknown =>
  expect.objectContaining({ name: 'InvalidOptionError', code: 'INVALID_OPTION', option });

/** Every form once: how it is built, its key, its parts. */
const FORMS: readonly [key: string, build: () => Address, parts: AddressParts][] = [
  ['monitor', () => Address.name('monitor'), { kind: 'name', name: 'monitor' }],
  ['monitor/rr', () => Address.roundRobin('monitor'), { kind: 'nameRoundRobin', name: 'monitor' }],
  ['@host-1', () => Address.host('host-1'), { kind: 'host', host: 'host-1' }],
  [
    'monitor@host-1',
    () => Address.nameAtHost('monitor', 'host-1'),
    { kind: 'nameAtHost', name: 'monitor', host: 'host-1' },
  ],
  [
    'monitor@host-1/rr',
    () => Address.nameAtHostRoundRobin('monitor', 'host-1'),
    { kind: 'nameAtHostRoundRobin', name: 'monitor', host: 'host-1' },
  ],
  ['4242@host-1', () => Address.unique(4242, 'host-1'), { kind: 'unique', pid: '4242', host: 'host-1' }],
  ['monitor#eu', () => Address.group('monitor', 'eu'), { kind: 'group', name: 'monitor', group: 'eu' }],
  [
    'monitor#eu/rr',
    () => Address.groupRoundRobin('monitor', 'eu'),
    { kind: 'groupRoundRobin', name: 'monitor', group: 'eu' },
  ],
];

/** Every factory with one of its arguments open: how errors name it, and how to give it. */
const SLOTS: readonly [what: string, option: string, build: (value: never) => Address][] = [
  ['name', 'name', (value) => Address.name(value)],
  ['roundRobin', 'name', (value) => Address.roundRobin(value)],
  ['host', 'host', (value) => Address.host(value)],
  ['nameAtHost', 'name', (value) => Address.nameAtHost(value, 'h')],
  ['nameAtHost', 'host', (value) => Address.nameAtHost('n', value)],
  ['nameAtHostRoundRobin', 'name', (value) => Address.nameAtHostRoundRobin(value, 'h')],
  ['nameAtHostRoundRobin', 'host', (value) => Address.nameAtHostRoundRobin('n', value)],
  ['unique', 'host', (value) => Address.unique(1, value)],
  ['group', 'name', (value) => Address.group(value, 'g')],
  ['group', 'group', (value) => Address.group('n', value)],
  ['groupRoundRobin', 'name', (value) => Address.groupRoundRobin(value, 'g')],
  ['groupRoundRobin', 'group', (value) => Address.groupRoundRobin('n', value)],
];

/** Whatever can be a host or a group, of at most 80 bytes: two of them and the longest suffix still fit into a key. */
const partArb = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 80 }),
    fc.constantFrom('rr', 'a\nb', '.', '*', '^$', ' ', '42', '-1', 'constructor', '😀'.repeat(20)),
  )
  .filter((text) => !/[/@#]/.test(text));
const nameArb = partArb.filter((text) => !/^\d+$/.test(text));
const pidArb = fc.nat().map(String);

describe('Address', () => {
  it.each(FORMS)('builds %j', (key, build, parts) => {
    const address = build();

    expect(address.key).toBe(key);
    expect(address.parts).toEqual(parts);
    expect(Object.isFrozen(address.parts)).toBe(true);
  });

  it.each(FORMS)('parses %j', (key, build, parts) => {
    const address = Address.parse(key);

    expect(address.parts).toEqual(parts);
    expect(address).toEqual(build());
  });

  it.each(FORMS)('reads as its key: %j', (key, build) => {
    const address = build();

    expect(address.toString()).toBe(key);
    expect(JSON.stringify({ to: address })).toBe(JSON.stringify({ to: key }));
  });

  it.each(FORMS)('knows whether one of several gets it: %j', (key, build) => {
    expect(build().isRoundRobin).toBe(key.endsWith('/rr'));
    expect(Address.parse(key).isRoundRobin).toBe(key.endsWith('/rr'));
  });

  it('takes a process id as a number or as a text', () => {
    expect(Address.unique('4242', 'h')).toEqual(Address.unique(4242, 'h'));
    expect(Address.unique(0, 'h').key).toBe('0@h');
    expect(Address.parse('0042@h').parts).toEqual({ kind: 'unique', pid: '0042', host: 'h' });
  });

  it('parses the key of every address to the same parts and the same key', () => {
    const addressArb = fc.oneof(
      nameArb.map((name) => Address.name(name)),
      nameArb.map((name) => Address.roundRobin(name)),
      partArb.map((host) => Address.host(host)),
      fc.tuple(nameArb, partArb).map(([name, host]) => Address.nameAtHost(name, host)),
      fc.tuple(nameArb, partArb).map(([name, host]) => Address.nameAtHostRoundRobin(name, host)),
      fc.tuple(pidArb, partArb).map(([pid, host]) => Address.unique(pid, host)),
      fc.tuple(nameArb, partArb).map(([name, group]) => Address.group(name, group)),
      fc.tuple(nameArb, partArb).map(([name, group]) => Address.groupRoundRobin(name, group)),
    );
    fc.assert(
      fc.property(addressArb, (address) => {
        const parsed = Address.parse(address.key);
        expect(parsed.parts).toEqual(address.parts);
        expect(parsed.key).toBe(address.key);
        expect(parsed.isRoundRobin).toBe(address.isRoundRobin);
      }),
      { numRuns: 1_000 },
    );
  });

  it('parses any text to an address of that key, or refuses it with an InvalidOptionError', () => {
    const piece = fc.oneof(fc.constantFrom('/rr', '/', '@', '#', '42', 'rr', 'a'), partArb);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const key = pieces.join('');
        let address: Address;
        try {
          address = Address.parse(key);
        } catch (error) {
          expect(error).toMatchObject({ name: 'InvalidOptionError', code: 'INVALID_OPTION' });
          return;
        }
        expect(address.key).toBe(key);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never gives two addresses one key', () => {
    const [name, host] = ['a', 'a'];
    const keys = [
      Address.name(name),
      Address.roundRobin(name),
      Address.host(host),
      Address.nameAtHost(name, host),
      Address.nameAtHostRoundRobin(name, host),
      Address.unique(1, host),
      Address.group(name, host),
      Address.groupRoundRobin(name, host),
    ].map(({ key }) => key);

    expect(new Set(keys).size).toBe(FORMS.length);
  });
});

describe('Address, given what can not be a part', () => {
  it.each(SLOTS)('%s refuses it as its %s', (_factory, option, build) => {
    const values = [
      '',
      'a/b',
      'a@b',
      'a#b',
      '/',
      '@',
      '#',
      '/rr',
      'a\n/',
      undefined,
      null,
      7,
      true,
      {},
      ['a'],
      Symbol('a'),
    ];
    for (const value of values) expect(() => build(value as never)).toThrow(refusal(option));
  });

  it.each(SLOTS)('%s refuses more than 255 bytes of UTF-8 as its %s', (_factory, option, build) => {
    for (const value of ['a'.repeat(256), 'é'.repeat(128), '€'.repeat(86), '😀'.repeat(64)])
      expect(() => build(value as never)).toThrow(refusal(option));
  });

  it.each(SLOTS.filter(([, option]) => option === 'name'))(
    '%s refuses digits as its %s',
    (_f, option, build) => {
      for (const value of ['0', '42', '0042']) expect(() => build(value as never)).toThrow(refusal(option));
      for (const value of ['4a', 'a4', '-4', '4.2', ' 42', '42\n', '４２'])
        expect(() => build(value as never)).not.toThrow();
    },
  );

  it.each(SLOTS.filter(([, option]) => option !== 'name'))(
    '%s takes digits as its %s',
    (_f, _option, build) => {
      expect(build('42' as never).key).toContain('42');
    },
  );

  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['a word', 'abc'],
    ['a word after digits', '42a'],
    ['a word before digits', 'a42'],
    ['a line after digits', '42\n'],
    ['a negative number', -1],
    ['a fraction', 1.5],
    ['no number', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number that reads with an exponent', 1e21],
    ['null', null],
    ['nothing', undefined],
    ['an object', {}],
    ['a symbol', Symbol('1')],
  ])('refuses %s as a process id', (_what, pid) => {
    expect(() => Address.unique(pid as number, 'h')).toThrow(refusal('pid'));
  });

  it('refuses a key of more than 255 bytes although each part is short enough', () => {
    expect(Address.name('a'.repeat(255)).key).toHaveLength(255);
    expect(Buffer.byteLength(Address.name(`${'é'.repeat(127)}a`).key)).toBe(255);
    expect(Address.roundRobin('a'.repeat(252)).key).toHaveLength(255);
    expect(() => Address.roundRobin('a'.repeat(253))).toThrow(refusal('address'));
    expect(Address.host('h'.repeat(254)).key).toHaveLength(255);
    expect(() => Address.host('h'.repeat(255))).toThrow(refusal('address'));
    expect(Address.nameAtHost('a'.repeat(127), 'h'.repeat(127)).key).toHaveLength(255);
    expect(() => Address.nameAtHost('a'.repeat(128), 'h'.repeat(127))).toThrow(refusal('address'));
    expect(() => Address.nameAtHostRoundRobin('a'.repeat(125), 'h'.repeat(127))).toThrow(refusal('address'));
    expect(() => Address.unique('1'.repeat(254), 'h')).toThrow(refusal('address'));
    expect(Address.group('é'.repeat(64), 'é'.repeat(63)).key).toBe(`${'é'.repeat(64)}#${'é'.repeat(63)}`);
    expect(() => Address.group('é'.repeat(64), 'é'.repeat(64))).toThrow(refusal('address'));
    expect(() => Address.groupRoundRobin('a'.repeat(126), 'g'.repeat(126))).toThrow(refusal('address'));
  });
});

describe('Address.parse, given what is no address', () => {
  it.each<[string, string]>([
    ['', 'name'],
    ['/rr', 'name'],
    ['42', 'name'],
    ['42/rr', 'name'],
    ['a/b', 'name'],
    ['a/', 'name'],
    ['a/rr/rr', 'name'],
    ['a/rr/control', 'name'],
    ['a/RR', 'name'],
    ['a/x@h', 'name'],
    ['#g', 'name'],
    ['#g/rr', 'name'],
    ['42#g', 'name'],
    ['42#g/rr', 'name'],
    ['@', 'host'],
    ['a@', 'host'],
    ['a@/rr', 'host'],
    ['42@', 'host'],
    ['@@h', 'host'],
    ['a@h@i', 'host'],
    ['a@h#g', 'host'],
    ['a@h/x', 'host'],
    ['@h/rrx', 'host'],
    ['42@h/rrx', 'host'],
    ['@h/rr/rr', 'address'],
    ['a#', 'group'],
    ['a#/rr', 'group'],
    ['a#g#h', 'group'],
    ['a#g@h', 'group'],
    ['a#g/x', 'group'],
    ['@h/rr', 'address'],
    ['@/rr', 'address'],
    ['42@h/rr', 'address'],
    ['a'.repeat(256), 'name'],
    [`${'a'.repeat(253)}/rr`, 'address'],
    [`${'é'.repeat(126)}@h/rr`, 'address'],
  ])('refuses %j and says what is wrong: its %s', (key, option) => {
    expect(() => Address.parse(key)).toThrow(refusal(option));
  });
});

describe('the checks of parts', () => {
  it('give back what they have checked', () => {
    expect(checkPart('eu', 'group')).toBe('eu');
    expect(checkPart('42', 'group')).toBe('42');
    expect(checkName('monitor')).toBe('monitor');
    expect([checkPid(42, 'pid'), checkPid('42', 'pid')]).toEqual(['42', '42']);
  });

  it('name the option that they are told', () => {
    expect(() => checkPart('', 'application.groups[1]')).toThrow(refusal('application.groups[1]'));
    expect(() => checkPart('a/b', 'application.groups[1]')).toThrow(refusal('application.groups[1]'));
    expect(() => checkPart('a'.repeat(256), 'x')).toThrow(refusal('x'));
    expect(() => checkName('42', 'fingerprint.name')).toThrow(refusal('fingerprint.name'));
    expect(() => checkName('')).toThrow(refusal('name'));
    expect(() => checkPid('x', 'fingerprint.pid')).toThrow(refusal('fingerprint.pid'));
  });
});
