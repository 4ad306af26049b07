import { describe, expect, it } from 'vitest';
import type { Delivery } from '../connection/port.js';
import { defineQueue } from '../topology/queue.js';
import { copiesFor, destinationOf, type Destination, type Part } from './fate.js';
import { NO_RETRIES, type RetryPlan } from './retry-topology.js';

const dead = defineQueue('work.dead');
const plan: RetryPlan = {
  ...NO_RETRIES,
  queues: [],
  deadLetterQueue: dead,
  place: ({ stepMs, waitMs }) => ({
    queue: defineQueue(`work.retry.${stepMs}`),
    waitMs,
    leaseMs: undefined,
  }),
};

const wait = (stepMs: number) => ({ kind: 'retry', stepMs, waitMs: stepMs, isOnLadder: true }) as const;

describe('destinationOf', () => {
  it('is where the plan has a queue for what was decided', () => {
    expect(destinationOf(wait(100), plan)).toMatchObject({
      next: 'retry',
      place: { queue: { name: 'work.retry.100' } },
    });
    expect(destinationOf({ kind: 'give-up', reason: 'rejected' }, plan)).toEqual({
      next: 'dead-letter',
      queue: dead,
      reason: 'rejected',
    });
    expect(destinationOf({ kind: 'requeue' }, plan)).toEqual({ next: 'requeue' });
  });

  it('is the broker where there is none', () => {
    expect(destinationOf(wait(100), NO_RETRIES)).toEqual({ next: 'reject' });
    expect(destinationOf({ kind: 'give-up', reason: 'failed' }, NO_RETRIES)).toEqual({ next: 'reject' });
    expect(destinationOf(wait(100), { ...NO_RETRIES, deadLetterQueue: dead })).toMatchObject({
      next: 'dead-letter',
      reason: 'failed',
    });
  });
});

const delivery: Delivery = {
  deliveryTag: 1,
  redelivered: false,
  exchange: 'x',
  routingKey: 'k',
  content: Buffer.from('{}'),
  properties: {},
};

const part = (label: string, destination: Destination): Part => ({
  labels: [label],
  error: `Error: ${label}`,
  destination,
});

const copies = (...parts: readonly Part[]) =>
  copiesFor({ queue: 'work', delivery, history: undefined, nowMs: 0 }, parts).map(({ next, message }) => {
    const { headers = {}, expiration } = message.properties;
    return {
      next,
      to: message.routingKey,
      expiration,
      handlers: headers['postage-handlers'],
      reason: headers['postage-reason'],
      error: headers['postage-last-error'],
    };
  });

const retryIn = (stepMs: number): Destination => destinationOf(wait(stepMs), plan);
const giveUp = (reason: 'failed' | 'rejected'): Destination =>
  destinationOf({ kind: 'give-up', reason }, plan);

describe('copiesFor', () => {
  it('has one for all handlers that wait equally long, and one for each other wait', () => {
    expect(copies(part('a', retryIn(100)), part('b', retryIn(500)), part('c', retryIn(100)))).toEqual([
      {
        next: 'retry',
        to: 'work.retry.100',
        expiration: '100',
        handlers: ['a', 'c'],
        error: 'Error: a | Error: c',
      },
      { next: 'retry', to: 'work.retry.500', expiration: '500', handlers: ['b'], error: 'Error: b' },
    ]);
  });

  it('has a dead letter for each reason, beside what is tried again', () => {
    const all = copies(
      part('a', giveUp('failed')),
      part('b', retryIn(100)),
      part('c', giveUp('rejected')),
      part('d', giveUp('failed')),
    );
    expect(all).toMatchObject([
      { next: 'dead-letter', to: 'work.dead', handlers: ['a', 'd'], reason: 'failed' },
      { next: 'retry', to: 'work.retry.100', handlers: ['b'] },
      { next: 'dead-letter', to: 'work.dead', handlers: ['c'], reason: 'rejected' },
    ]);
  });

  it('has none for what the broker gets back', () => {
    expect(copies(part('a', { next: 'reject' }), part('b', { next: 'requeue' }))).toEqual([]);
  });

  it('names no handler of a message that has none', () => {
    const destination: Destination = { next: 'dead-letter', queue: dead, reason: 'malformed' };
    expect(copies({ labels: [], error: 'no JSON', destination })).toMatchObject([
      { handlers: undefined, reason: 'malformed', error: 'no JSON' },
    ]);
  });
});
