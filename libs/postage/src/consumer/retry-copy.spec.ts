import { describe, expect, it } from 'vitest';
import type { Delivery, MessageProperties } from '../connection/port.js';
import { bareCopy, deadLetterCopy, retryCopy, type Past } from './retry-copy.js';
import { historyOf } from './retry-history.js';

const NOW_MS = Date.parse('2026-01-02T03:04:05.678Z');
const content = Buffer.from([0, 1, 2, 255]);

const deliveryOf = (properties: MessageProperties = {}): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: 'orders',
  routingKey: 'order.paid',
  content,
  properties,
});

const past = (properties?: MessageProperties, more: Partial<Past> = {}): Past => ({
  queue: 'work',
  delivery: deliveryOf(properties),
  history: undefined,
  labels: ['A.one'],
  error: 'DiskFull: no room',
  nowMs: NOW_MS,
  ...more,
});

const FIRST = {
  'postage-queue': 'work',
  'postage-first-failure': '2026-01-02T03:04:05.678Z',
  'postage-last-error': 'DiskFull: no room',
  'postage-exchange': 'orders',
  'postage-routing-key': 'order.paid',
  'postage-handlers': ['A.one'],
};

/** The same message as it comes out of its wait. */
const after = (copy: ReturnType<typeof retryCopy>, more: Partial<Past> = {}): Past => {
  const { expiration: _, ...properties } = copy.properties;
  const delivery = { ...deliveryOf(properties), exchange: '', routingKey: 'work' };
  return { ...past(), delivery, history: historyOf(delivery, 'work'), ...more };
};

describe('retryCopy', () => {
  it('keeps bytes and properties, and says what happened', () => {
    const properties: MessageProperties = {
      contentType: 'application/msgpack',
      contentEncoding: 'gzip',
      deliveryMode: 2,
      priority: 4,
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      timestamp: 1_700_000_000,
      type: 't',
      appId: 'a',
      headers: { mine: { deep: [1, null] } },
    };
    expect(retryCopy(past(properties), 'work.retry.100', 80)).toEqual({
      exchange: '',
      routingKey: 'work.retry.100',
      content,
      mandatory: true,
      properties: {
        ...properties,
        expiration: '80',
        userId: undefined,
        headers: { mine: { deep: [1, null] }, ...FIRST, 'postage-retry-attempt': 2 },
      },
    });
  });

  it.each([undefined, 1, 2])('outlives the broker, as dead letters do (delivery mode %s)', (deliveryMode) => {
    const copies = [
      retryCopy(past({ deliveryMode }), 'q', 1),
      deadLetterCopy(past({ deliveryMode }), 'q', 'failed'),
    ];
    expect(copies.map(({ properties }) => properties.deliveryMode)).toEqual([2, 2]);
    expect(copies.map((copy) => bareCopy(copy).properties.deliveryMode)).toEqual([2, 2]);
  });

  it('counts on, and keeps what was first', () => {
    const second = retryCopy(past({ headers: { mine: 1 } }), 'work.retry.100', 80);
    const more = { error: 'Offline: again', labels: ['A.one', 'B.two'], nowMs: NOW_MS + 9_000 };
    const third = retryCopy(after(second, more), 'work.retry.500', 500);
    expect(third.properties.headers).toEqual({
      mine: 1,
      ...FIRST,
      'postage-last-error': 'Offline: again',
      'postage-handlers': ['A.one', 'B.two'],
      'postage-retry-attempt': 3,
    });
  });

  it('keeps until when the message is worth handling', () => {
    const second = retryCopy(past({ expiration: '60000' }), 'work.retry.100', 80);
    expect(second.properties.expiration).toBe('80');
    const third = retryCopy(after(second, { nowMs: NOW_MS + 9_000 }), 'work.retry.500', 500);
    expect([second, third].map(({ properties }) => properties.headers?.['postage-deadline'])).toEqual(
      Array(2).fill('2026-01-02T03:05:05.678Z'),
    );
  });

  it('cuts the error at 1,000 characters', () => {
    const { properties } = retryCopy(past({}, { error: 'x'.repeat(5_000) }), 'q', 1);
    expect(properties.headers?.['postage-last-error']).toBe('x'.repeat(1_000));
  });

  it('leaves out what the broker would misunderstand', () => {
    const headers = {
      CC: ['other'],
      BCC: ['another'],
      'x-delivery-count': 3,
      'x-acquired-count': 4,
      kept: 1,
    };
    const copy = retryCopy(past({ headers, userId: 'somebody' }), 'q', 1);
    expect(copy.properties.headers).toEqual({ kept: 1, ...FIRST, 'postage-retry-attempt': 2 });
    expect(copy.properties.userId).toBeUndefined();
  });
});

describe('the record of deaths', () => {
  const deathsIn = (headers: MessageProperties['headers']) =>
    retryCopy(past({ headers }), 'q', 1).properties.headers ?? {};
  const death = (queue: string, reason: string) => ({ queue, reason, count: 1 });

  it('loses what would make the broker drop the copy as one that goes round in a circle', () => {
    const headers = {
      'x-death': [death('work.retry.100', 'expired'), death('work', 'expired'), death('work', 'maxlen')],
      'x-first-death-queue': 'work',
      'x-last-death-reason': 'expired',
    };
    expect(Object.keys(deathsIn(headers)).filter((name) => name.startsWith('x-'))).toEqual([]);
  });

  it('keeps rejections, and what other queues have written', () => {
    const kept = [
      death('work', 'rejected'),
      death('source', 'expired'),
      death('work.retry.later', 'expired'),
      death('working', 'expired'),
    ];
    const headers = {
      'x-death': [death('work.retry-later.5', 'expired'), ...kept],
      'x-first-death-queue': 'source',
    };
    expect(deathsIn(headers)).toMatchObject({ 'x-death': kept, 'x-first-death-queue': 'source' });
  });

  it('is nothing to trip over when somebody has written nonsense there', () => {
    expect(deathsIn({ 'x-death': [null, 7, 'x', { queue: 7 }] })).toMatchObject({
      'x-death': [{ queue: 7 }],
    });
    expect(deathsIn({ 'x-death': 'x' })).toMatchObject({ 'x-death': 'x' });
  });
});

describe('deadLetterCopy', () => {
  it('says why, and how often it ran', () => {
    const third = after(retryCopy(after(retryCopy(past(), 'q', 1)), 'q', 1));
    const letter = deadLetterCopy({ ...third, error: 'Offline: at last' }, 'failed-work', 'failed');
    expect(letter).toMatchObject({ exchange: '', routingKey: 'failed-work', content, mandatory: true });
    expect(letter.properties.expiration).toBeUndefined();
    expect(letter.properties.headers).toEqual({
      ...FIRST,
      'postage-last-error': 'Offline: at last',
      'postage-retry-attempt': 3,
      'postage-reason': 'failed',
    });
  });

  it('has no deadline and no time to live: it stays until somebody looks at it', () => {
    const second = retryCopy(past({ expiration: '60000' }), 'q', 1);
    const letters = [past({ expiration: '60000' }), after(second)].map((each) =>
      deadLetterCopy(each, 'dead', 'rejected'),
    );
    for (const { properties } of letters) {
      expect(properties.expiration).toBeUndefined();
      expect(properties.headers).not.toHaveProperty('postage-deadline');
    }
  });

  it('names no handlers where nobody could tell which', () => {
    const letter = deadLetterCopy(past({}, { labels: [] }), 'dead', 'malformed');
    expect(letter.properties.headers).not.toHaveProperty('postage-handlers');
  });
});

describe('bareCopy', () => {
  it('keeps our own headers, and of the rest what surely can be written', () => {
    const copy = retryCopy(
      past({
        headers: { bad: 1n },
        contentType: 'x'.repeat(256),
        messageId: 'm',
        deliveryMode: 2,
        priority: 900,
      }),
      'q',
      5,
    );
    expect(bareCopy(copy)).toEqual({
      ...copy,
      properties: {
        messageId: 'm',
        deliveryMode: 2,
        expiration: '5',
        headers: { ...FIRST, 'postage-retry-attempt': 2 },
      },
    });
  });
});
