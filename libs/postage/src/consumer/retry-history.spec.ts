import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery, MessageProperties } from '../connection/port.js';
import type { Handler } from './handlers.js';
import { deadlineOf, handlersToRun, historyOf as historyIn, type History } from './retry-history.js';

const delivery = (headers?: MessageProperties['headers'], more: Partial<Delivery> = {}): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: '',
  routingKey: 'work',
  content: Buffer.from('{}'),
  properties: { headers },
  ...more,
});

const historyOf = (given: Delivery): History | undefined => historyIn(given, 'work');

const HEADERS = {
  'postage-queue': 'work',
  'postage-retry-attempt': 3,
  'postage-first-failure': '2026-01-02T03:04:05.678Z',
  'postage-last-error': 'DiskFull: no room',
  'postage-exchange': 'orders',
  'postage-routing-key': 'order.paid',
  'postage-handlers': ['A.one', 'B.two'],
  'postage-deadline': '2026-01-02T04:00:00.000Z',
};

describe('historyOf', () => {
  it('reads what a copy says of the runs before', () => {
    expect(historyOf(delivery(HEADERS))).toEqual({
      attempt: 3,
      firstFailureMs: Date.parse('2026-01-02T03:04:05.678Z'),
      lastError: 'DiskFull: no room',
      exchange: 'orders',
      routingKey: 'order.paid',
      handlers: new Set(['A.one', 'B.two']),
      deadlineMs: Date.parse('2026-01-02T04:00:00.000Z'),
    });
  });

  it('begins anew with a dead letter that was put back, for the handlers that it was for', () => {
    expect(historyOf(delivery({ ...HEADERS, 'postage-reason': 'failed' }))).toEqual({
      attempt: 1,
      firstFailureMs: undefined,
      lastError: undefined,
      exchange: 'orders',
      routingKey: 'order.paid',
      handlers: new Set(['A.one', 'B.two']),
      deadlineMs: undefined,
    });
  });

  it('has nothing to say of other messages', () => {
    expect(historyOf(delivery())).toBeUndefined();
    expect(historyOf(delivery({ 'postage-exchange': 'orders' }))).toBeUndefined();
    // No copy of ours comes that way.
    expect(historyOf(delivery(HEADERS, { exchange: 'orders' }))).toBeUndefined();
  });

  it('has nothing to say in another queue than that which it belongs to', () => {
    expect(historyIn(delivery(HEADERS), 'rescue')).toBeUndefined();
    const letter = delivery({ ...HEADERS, 'postage-reason': 'failed' });
    expect(historyIn(letter, 'rescue')).toBeUndefined();
    const { 'postage-queue': _, ...unbound } = HEADERS;
    expect(historyOf(delivery(unbound))).toBeUndefined();
    expect(historyOf(delivery({ ...HEADERS, 'postage-queue': ['work'] }))).toBeUndefined();
  });

  it.each([0, -1, 1.5, '2', null, NaN, 2 ** 60, true, [2]])('does not believe in attempt %s', (attempt) => {
    expect(
      historyOf(delivery({ 'postage-queue': 'work', 'postage-retry-attempt': attempt })),
    ).toBeUndefined();
  });

  it('makes do with an attempt alone, and with nonsense beside it', () => {
    const nothing = {
      attempt: 2,
      firstFailureMs: undefined,
      lastError: undefined,
      exchange: '',
      routingKey: 'work',
      handlers: undefined,
      deadlineMs: undefined,
    };
    expect(historyOf(delivery({ 'postage-queue': 'work', 'postage-retry-attempt': 2 }))).toEqual(nothing);
    const nonsense = {
      'postage-queue': 'work',
      'postage-retry-attempt': 2,
      'postage-first-failure': 'yesterday',
      'postage-last-error': 7,
      'postage-exchange': {},
      'postage-routing-key': null,
      'postage-handlers': 'A.one',
      'postage-deadline': [],
    };
    expect(historyOf(delivery(nonsense))).toEqual(nothing);
  });

  it('never throws, whatever the headers are', () => {
    const values = fc.anything({ withDate: true, withBigInt: true });
    const record = fc.record(
      Object.fromEntries([...Object.keys(HEADERS), 'postage-reason'].map((name) => [name, values])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(record, (headers) => {
        expect(() => historyOf(delivery(headers))).not.toThrow();
        expect(
          historyOf(delivery({ ...headers, 'postage-queue': 'work', 'postage-retry-attempt': 2 })),
        ).toBeDefined();
      }),
      { numRuns: 2_000 },
    );
  });
});

const handler = (label: string): Handler => ({
  pattern: { category: 'message', type: 't' },
  label,
  filters: [],
  repliesItself: false,
  invoke: async () => undefined,
});

describe('handlersToRun', () => {
  const [one, two, three] = [handler('one'), handler('two'), handler('three')];
  const all = [one, two, three];
  const run = (...labels: readonly string[]) => handlersToRun(all, { handlers: new Set(labels) });

  it('is those that are named', () => {
    expect(run('two')).toEqual([two]);
    expect(run('three', 'one')).toEqual([one, three]);
  });

  it('is all of them where one that is named is not here, or none is named', () => {
    expect(run('renamed')).toEqual(all);
    expect(run('two', 'renamed')).toEqual(all);
    expect(run()).toEqual(all);
    expect(handlersToRun(all, { handlers: undefined })).toEqual(all);
  });

  it('is both of two that share a name', () => {
    const twins = [handler('twin'), one, handler('twin')];
    expect(handlersToRun(twins, { handlers: new Set(['twin']) })).toEqual([twins[0], twins[2]]);
  });
});

describe('deadlineOf', () => {
  const expiring = (expiration: string): Delivery => delivery({}, { properties: { expiration } });

  it('counts the time to live of a message from its first failure on', () => {
    expect(deadlineOf(expiring('500'), undefined, 1_000)).toBe(1_500);
    expect(deadlineOf(delivery(), undefined, 1_000)).toBeUndefined();
  });

  it('is what the copy says from then on', () => {
    const copy = delivery(HEADERS);
    expect(deadlineOf(copy, historyOf(copy), 1_000)).toBe(Date.parse(HEADERS['postage-deadline']));
    expect(
      deadlineOf(
        expiring('500'),
        historyOf(delivery({ 'postage-queue': 'work', 'postage-retry-attempt': 2 })),
        1,
      ),
    ).toBeUndefined();
  });

  it.each(['', 'soon', '-1', '1e300', '99999999999999999999'])(
    'is none where the time to live is "%s"',
    (expiration) => {
      const deadlineMs = deadlineOf(expiring(expiration), undefined, 1_000) ?? 1_000;
      expect(deadlineMs).toBe(1_000);
    },
  );
});
