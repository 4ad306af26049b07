import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../errors.js';
import { defineQueue, type QueueFlags } from '../topology/queue.js';
import type { DeclareMode, Queue } from '../topology/types.js';
import type { Handler } from './handlers.js';
import type { RetrySettings } from './retry-policy.js';
import { planRetries, resolveDeadLetter, type DeadLetter } from './retry-topology.js';

const POLICY: RetrySettings = { attempts: 3, backoffMs: [100, 500, 900], jitter: 0, isRetried: () => true };

const handler = (retry: Handler['retry'], category: 'message' | 'rpc' = 'message'): Handler => ({
  pattern: { category, type: 't' },
  label: 'a handler',
  filters: [],
  repliesItself: false,
  invoke: async () => undefined,
  retry,
});

const queueOf = (flags: QueueFlags = {}, declare: DeclareMode = 'assert'): Queue =>
  defineQueue({ name: 'work', flags, declare });

interface Given {
  readonly queue?: Queue;
  readonly handlers?: readonly Handler[];
  readonly own?: DeadLetter | undefined;
  readonly general?: DeadLetter | undefined;
}

const plan = ({ queue = queueOf(), handlers = [handler(POLICY)], own, general }: Given = {}) =>
  planRetries({ queue, handlers, deadLetter: { own, general } });

const later = (stepMs: number) => ({ stepMs, waitMs: stepMs, isOnLadder: false });

describe('the queues that messages wait in', () => {
  it('are one for each step that the policies can come to', () => {
    const other = { ...POLICY, attempts: 9, backoffMs: [500, 700] } as const;
    const { queues } = plan({ handlers: [handler(POLICY), handler(other), handler(false)], own: false });
    expect(queues.map(({ name }) => name)).toEqual(['work.retry.100', 'work.retry.500', 'work.retry.700']);
    expect(queues[0]).toEqual({
      name: 'work.retry.100',
      durable: true,
      exclusive: false,
      autoDelete: false,
      declare: 'assert',
      arguments: {
        'x-message-ttl': 100,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'work',
      },
    });
  });

  it('are none without a policy, and rpcs need none', () => {
    expect(plan({ handlers: [handler(false), handler(undefined), handler(POLICY, 'rpc')] }).queues).toEqual(
      [],
    );
  });

  it('are durable beside a transient queue, as Python Postage declares them', () => {
    expect(plan({ queue: queueOf({ durable: false }) }).queues.map(({ durable }) => durable)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('are as replicated as the queue, and let go of nothing that has not arrived', () => {
    const { queues } = plan({ queue: queueOf({ type: 'quorum' }) });
    expect(queues[0]?.arguments).toEqual({
      'x-queue-type': 'quorum',
      'x-message-ttl': 100,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'work',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    });
    expect(queues.at(-1)).toMatchObject({ name: 'work.dead', arguments: { 'x-queue-type': 'quorum' } });
  });

  it('are exclusive beside an exclusive queue, and go with it', () => {
    const { queues, place } = plan({ queue: queueOf({ exclusive: true }) });
    expect(queues).toMatchObject([
      { name: 'work.retry.100', exclusive: true, durable: false },
      { name: 'work.retry.500', exclusive: true, durable: false },
    ]);
    expect(place?.({ stepMs: 100, waitMs: 90, isOnLadder: true })).toMatchObject({ leaseMs: undefined });
  });

  it.each<[string, QueueFlags]>([
    ['goes with its last consumer', { autoDelete: true }],
    ['expires', { expiresMs: 5_000 }],
  ])('expire, unless they are used, beside a queue that %s', (_how, flags) => {
    const { queues, place } = plan({ queue: queueOf(flags) });
    expect(queues.map(({ name }) => name)).toEqual(['work.retry.100', 'work.retry.500']);
    expect(queues[0]).toMatchObject({ durable: true, exclusive: false });
    const at = place?.({ stepMs: 100, waitMs: 90, isOnLadder: true });
    expect(at?.queue).toEqual(queues[0]);
    // Whoever publishes at the end of the lease must still find the queue when the wait is over.
    expect(Number(queues[0]?.arguments['x-expires'])).toBeGreaterThanOrEqual(
      100 + (at?.leaseMs ?? 0) + 30_000,
    );
  });

  it.each<DeclareMode>(['assert', 'passive', 'assume'])('are declared as the queue is (%s)', (declare) => {
    const { queues } = plan({ queue: queueOf({}, declare) });
    expect(queues.map((queue) => queue.declare)).toEqual([declare, declare, declare]);
  });

  it('are not for streams', () => {
    const queue = queueOf({ type: 'stream' });
    expect(() => plan({ queue })).toThrow(InvalidOptionError);
    expect(() => plan({ queue })).toThrow(/"work" is a stream.*retry: false/s);
    expect(plan({ queue, handlers: [handler(false)] })).toMatchObject({ queues: [], place: undefined });
  });

  it('are refused where their names become too long', () => {
    const queue = defineQueue('x'.repeat(250));
    expect(() => plan({ queue })).toThrow(/255/);
  });

  it('are refused where the name of the longest wait would be too long, unless others make them', () => {
    expect(() => plan({ queue: defineQueue('x'.repeat(231)) })).not.toThrow();
    expect(() => plan({ queue: defineQueue('x'.repeat(232)) })).toThrow(/retry-later\.31536000000/);
    expect(() => plan({ queue: defineQueue({ name: 'x'.repeat(232), declare: 'assume' }) })).not.toThrow();
    expect(() => plan({ queue: defineQueue('x'.repeat(255)), handlers: [] })).not.toThrow();
  });

  it('are refused beside a classic queue that refuses messages when it is full', () => {
    const full = (overflow: 'reject-publish' | 'reject-publish-dlx' | 'drop-head') =>
      queueOf({ maxLength: 2, overflow });
    expect(() => plan({ queue: full('reject-publish') })).toThrow(InvalidOptionError);
    expect(() => plan({ queue: full('reject-publish-dlx') })).toThrow(/"work".*quorum/s);
    expect(() => plan({ queue: full('reject-publish'), handlers: [] })).not.toThrow();
    expect(() => plan({ queue: full('drop-head') })).not.toThrow();
    const quorum = queueOf({ type: 'quorum', maxLength: 2, overflow: 'reject-publish' });
    expect(() => plan({ queue: quorum })).not.toThrow();
  });
});

describe('the place of a wait', () => {
  it('is the step of the ladder, for as long as jitter says', () => {
    const place = plan().place?.({ stepMs: 500, waitMs: 420, isOnLadder: true });
    expect(place).toMatchObject({ queue: { name: 'work.retry.500' }, waitMs: 420, leaseMs: undefined });
  });

  it('is a queue of its own off the ladder, which expires', () => {
    const place = plan().place?.(later(1_234));
    expect(place).toMatchObject({ queue: { name: 'work.retry-later.1234' }, waitMs: 1_234, leaseMs: 60_000 });
    expect(place?.queue.arguments).toMatchObject({ 'x-message-ttl': 1_234, 'x-expires': 1_234 + 120_000 });
  });

  it('expires as it always did: versions that differ could not share the queue', () => {
    const { queues, place } = plan({ queue: queueOf({ autoDelete: true }) });
    expect(queues[0]?.arguments['x-expires']).toBe(120_100);
    expect(place?.(later(1_234)).queue.arguments['x-expires']).toBe(121_234);
  });

  it.each<DeclareMode>(['passive', 'assume'])(
    'is the nearest step off the ladder where others declare the queues (%s)',
    (declare) => {
      const { place } = plan({ queue: queueOf({}, declare) });
      expect([50, 100, 101, 500, 9_000].map((ms) => place?.(later(ms)))).toMatchObject([
        { queue: { name: 'work.retry.100' }, waitMs: 50 },
        { queue: { name: 'work.retry.100' }, waitMs: 100 },
        { queue: { name: 'work.retry.500' }, waitMs: 101 },
        { queue: { name: 'work.retry.500' }, waitMs: 500 },
        { queue: { name: 'work.retry.500' }, waitMs: 500 },
      ]);
    },
  );

  it('is there without any policy: a handler may ask for it', () => {
    expect(plan({ handlers: [] }).place?.({ stepMs: 1_000, waitMs: 900, isOnLadder: true })).toMatchObject({
      queue: { name: 'work.retry.1000' },
    });
  });
});

describe('what a quorum queue gives up itself', () => {
  const quorum = queueOf({ type: 'quorum', deliveryLimit: 2 });
  const led = (given: Given) => plan(given).asDeclared(given.queue ?? queueOf());

  it('goes to our dead-letter queue', () => {
    expect(led({ queue: quorum })).toEqual({
      ...quorum,
      arguments: {
        ...quorum.arguments,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'work.dead',
      },
    });
    expect(led({ queue: quorum, own: 'failed' }).arguments).toMatchObject({
      'x-dead-letter-routing-key': 'failed',
    });
  });

  it.each<[what: string, given: Given]>([
    ['that is classic', {}],
    ['without dead letters', { queue: quorum, own: false }],
    ['that has a dead-letter exchange', { queue: queueOf({ type: 'quorum', deadLetterExchange: 'dlx' }) }],
    ['that others declare', { queue: queueOf({ type: 'quorum' }, 'passive') }],
  ])('is left as it is of a queue %s', (_what, given) => {
    expect(led(given)).toEqual(given.queue ?? queueOf());
  });
});

describe('the dead-letter queue', () => {
  const deadOf = (given: Given) => plan(given).deadLetterQueue?.name;
  const guarded = queueOf({ deadLetterExchange: 'dlx' });
  const passing = queueOf({ autoDelete: true });

  it.each<[what: string, given: Given, name: string | undefined]>([
    ['retries, and nothing said', {}, 'work.dead'],
    ['retries, and a dead-letter exchange', { queue: guarded }, undefined],
    ['retries, and a queue that goes', { queue: passing }, undefined],
    ['no retries, and nothing said', { handlers: [handler(false)] }, undefined],
    ['a name', { own: 'failed', handlers: [] }, 'failed'],
    ['a name for all', { general: 'failed', handlers: [] }, 'failed'],
    ['a name, and another for all', { own: 'mine', general: 'failed' }, 'mine'],
    ['a name, and a dead-letter exchange', { own: 'failed', queue: guarded }, 'failed'],
    ['a name for all, and a queue that goes', { general: 'failed', queue: passing }, 'failed'],
    ['true', { own: true, handlers: [] }, 'work.dead'],
    ['true, and a queue that goes', { own: true, queue: passing }, 'work.dead'],
    ['true for all', { general: true, handlers: [] }, 'work.dead'],
    ['true for all, and a queue that goes', { general: true, queue: passing }, undefined],
    ['true for all, and a dead-letter exchange', { general: true, queue: guarded }, 'work.dead'],
    ['false', { own: false }, undefined],
    ['false, and true for all', { own: false, general: true }, undefined],
    ['false for all', { general: false }, undefined],
  ])('with %s', (_what, given, name) => {
    expect(deadOf(given)).toBe(name);
    const declared = plan(given).queues.map((queue) => queue.name);
    expect(declared.filter((each) => !each.includes('.retry.'))).toEqual(name === undefined ? [] : [name]);
  });

  it('is durable, and declared as the queue is', () => {
    const queue = queueOf({ durable: false }, 'passive');
    expect(plan({ own: 'failed', queue }).deadLetterQueue).toMatchObject({
      durable: true,
      declare: 'passive',
    });
  });

  it('is as it was defined, where it was', () => {
    const own = resolveDeadLetter(
      { name: 'failed', flags: { messageTtlMs: 9 }, declare: 'assume' },
      'deadLetter',
    );
    expect(plan({ own, queue: queueOf({ type: 'quorum' }) }).deadLetterQueue).toMatchObject({
      name: 'failed',
      arguments: { 'x-message-ttl': 9 },
      declare: 'assume',
    });
  });

  it('is never the queue itself', () => {
    expect(() => plan({ own: 'work' })).toThrow(/is the queue itself/);
  });

  it.each<unknown>(['', 7, null, { flags: {} }, 'x'.repeat(256), { name: 'q', flags: { ttl: 1 } }])(
    'is refused when it is %s',
    (given) => {
      expect(() => resolveDeadLetter(given as DeadLetter, 'deadLetter')).toThrow(InvalidOptionError);
    },
  );
});
