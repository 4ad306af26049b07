import { describe, expect, it } from 'vitest';
import type { Delivery } from '../connection/port.js';
import type { PostageEvent } from '../observability/observer.js';
import { defineQueue } from '../topology/queue.js';
import type { Queue } from '../topology/types.js';
import { MessageCommand } from '../wire/message.js';
import { Aftermath, type Handled } from './aftermath.js';
import type { Copy } from './copies.js';
import type { Handler } from './handlers.js';
import { Reporter } from './reporter.js';
import { historyOf } from './retry-history.js';
import type { RetrySettings } from './retry-policy.js';
import { planRetries, type DeadLetter } from './retry-topology.js';
import { VERDICT } from './verdict.js';

const NOW_MS = 1_000_000;
const POLICY: RetrySettings = { attempts: 3, backoffMs: [100], jitter: 0.5, isRetried: () => true };
const { body } = new MessageCommand('store');

const handler = (label: string, retry: Handler['retry'] = POLICY): Handler => ({
  pattern: { category: 'message', type: 'command' },
  label,
  filters: [],
  repliesItself: false,
  invoke: async () => undefined,
  retry,
});

const LINK = {};

interface Setup {
  readonly queue?: Queue;
  readonly deadLetter?: DeadLetter;
  /** @default true */
  readonly retried?: boolean;
  readonly send?: (copy: Copy) => Promise<void>;
  /** One for each time that somebody looks; then always the same. */
  readonly links?: object[];
}

const aftermath = (setup: Setup = {}) => {
  const sent: Copy[] = [];
  const events: PostageEvent[] = [];
  const draws = [0.5, 0.9];
  const { send = async (copy) => void sent.push(copy) } = setup;
  const subject = new Aftermath({
    queue: 'work',
    plan: planRetries({
      queue: setup.queue ?? defineQueue('work'),
      handlers: setup.retried === false ? [] : [handler('any')],
      deadLetter: { own: setup.deadLetter, general: undefined },
    }),
    copies: { send },
    reporter: new Reporter('work', (event) => events.push(event)),
    describeError: String,
    linkOf: () => setup.links?.shift() ?? LINK,
    random: () => draws.shift() ?? 0,
    now: () => NOW_MS,
  });
  return { subject, sent, events };
};

const handled = (properties: Delivery['properties'] = {}): Handled & { delivery: Delivery } => {
  const delivery = {
    deliveryTag: 1,
    redelivered: false,
    exchange: '',
    routingKey: 'work',
    content: Buffer.from('{}'),
    properties,
  };
  return { delivery, body, history: historyOf(delivery, 'work') };
};

describe('Aftermath', () => {
  it('tells of each failure at once, and what will follow; nothing is sent before all have ended', async () => {
    const { subject, sent, events } = aftermath();
    const message = handled();
    const part = subject.failed(message, { handler: handler('A.one'), error: new Error('broken') });
    expect(events).toMatchObject([
      { kind: 'handler.failed', handler: 'A.one', attempt: 1, next: 'retry', retryInMs: 75 },
    ]);
    expect(sent).toEqual([]);
    expect(await subject.settle(message, [part])).toBe('ack');
    expect(sent.map(({ queue }) => queue.name)).toEqual(['work.retry.100']);
  });

  it('draws lots once for a message, so that its handlers wait together', () => {
    const { subject, events } = aftermath();
    const [message, other] = [handled(), handled()];
    for (const label of ['A.one', 'B.two'])
      subject.failed(message, { handler: handler(label), error: new Error('broken') });
    subject.failed(other, { handler: handler('A.one'), error: new Error('broken') });
    expect(events).toMatchObject([{ retryInMs: 75 }, { retryInMs: 75 }, { retryInMs: 55 }]);
  });

  it('sends nothing when one of several gives the message back', async () => {
    const { subject, sent } = aftermath();
    const message = handled();
    const back = Object.assign(new Error('back'), { [VERDICT]: { kind: 'requeue' } });
    const parts = [new Error('broken'), back].map((error) =>
      subject.failed(message, { handler: handler('A.one'), error }),
    );
    expect(await subject.settle(message, parts)).toBe('requeue');
    expect(sent).toEqual([]);
  });

  it('settles when the broker has all copies, and not before', async () => {
    let confirm = (): void => undefined;
    const confirmed = new Promise<void>((resolve) => {
      confirm = resolve;
    });
    const { subject } = aftermath({ send: () => confirmed });
    const message = handled();
    const part = subject.failed(message, { handler: handler('A.one'), error: new Error('broken') });
    let settlement: string | undefined;
    const settle = async (): Promise<void> => {
      settlement = await subject.settle(message, [part]);
    };
    const settling = settle();
    await new Promise(setImmediate);
    expect(settlement).toBeUndefined();
    confirm();
    await settling;
    expect(settlement).toBe('ack');
  });

  /** One handler that is tried again, and one that gives up. */
  const twoParts = ({ subject }: ReturnType<typeof aftermath>, message: Handled) =>
    [handler('A.one'), handler('B.two', false)].map((each) =>
      subject.failed(message, { handler: each, error: new Error('broken') }),
    );

  it('gives the message back, after a while, when none of its copies was sent', async () => {
    const trouble = new Error('no connection');
    const { subject, events } = aftermath({ send: () => Promise.reject(trouble) });
    const message = handled();
    const part = subject.failed(message, { handler: handler('B.two', false), error: new Error('broken') });
    const startedAtMs = performance.now();
    expect(await subject.settle(message, [part])).toBe('requeue');
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(990);
    expect(events.slice(1)).toMatchObject([
      { kind: 'copy.failed', purpose: 'dead-letter', queue: 'work.dead', error: trouble },
    ]);
  });

  it('repeats the copy that was not sent, and no other, when one was', async () => {
    const tried: string[] = [];
    const setup = aftermath({
      send: async ({ queue }) => {
        tried.push(queue.name);
        if (queue.name === 'work.dead' && tried.length < 4) throw new Error('full');
      },
    });
    const message = handled();
    expect(await setup.subject.settle(message, twoParts(setup, message))).toBe('ack');
    expect(tried).toEqual(['work.retry.100', 'work.dead', 'work.dead', 'work.dead']);
  });

  it('repeats nothing when the connection that the message came by is gone', async () => {
    const tried: string[] = [];
    const setup = aftermath({
      links: [LINK, {}],
      send: async ({ queue }) => {
        tried.push(queue.name);
        if (queue.name === 'work.dead') throw new Error('full');
      },
    });
    const message = handled();
    expect(await setup.subject.settle(message, twoParts(setup, message))).toBe('requeue');
    expect(tried).toEqual(['work.retry.100', 'work.dead']);
  });

  it('gives nothing back to a queue that counts returns, and tries again', async () => {
    let count = 0;
    const queue = defineQueue({ name: 'work', flags: { type: 'quorum' } });
    const { subject } = aftermath({
      queue,
      send: async () => {
        count += 1;
        if (count === 1) throw new Error('full');
      },
    });
    const message = handled();
    const part = subject.failed(message, { handler: handler('A.one'), error: new Error('broken') });
    expect(await subject.settle(message, [part])).toBe('ack');
    expect(count).toBe(2);
  });

  it('gives up where the queue to wait in could have no such name, and says so', async () => {
    const { subject, events, sent } = aftermath({ queue: defineQueue('x'.repeat(245)), retried: false });
    const later = Object.assign(new Error('later'), { [VERDICT]: { kind: 'retry-later', delayMs: 60_000 } });
    const message = handled();
    const part = subject.failed(message, { handler: handler('A.one', false), error: later });
    expect(await subject.settle(message, [part])).toBe('reject');
    expect(sent).toEqual([]);
    expect(events).toMatchObject([
      { kind: 'internal.failure', where: 'finding a queue to wait in for A.one' },
      { kind: 'handler.failed', next: 'reject' },
    ]);
  });

  it('takes a policy that throws for one that gives up, and says so', () => {
    const { subject, events } = aftermath();
    const problem = new TypeError('on is broken');
    const isRetried = (): never => {
      throw problem;
    };
    const part = subject.failed(handled(), {
      handler: handler('A.one', { ...POLICY, isRetried }),
      error: new Error('x'),
    });
    expect(part.destination).toMatchObject({ next: 'dead-letter', reason: 'failed' });
    expect(events).toMatchObject([
      { kind: 'internal.failure', where: 'deciding whether A.one is to run again', error: problem },
      { kind: 'handler.failed', next: 'dead-letter' },
    ]);
  });

  it('keeps the bytes of what can not be read, where dead letters are kept, and else leaves them to the broker', async () => {
    const { subject, sent } = aftermath({ deadLetter: 'bad' });
    const { delivery } = handled();
    expect(subject.nextOfMalformed).toBe('dead-letter');
    expect(await subject.malformed(delivery, undefined, new Error('no JSON'))).toBe('ack');
    expect(sent).toMatchObject([
      { queue: { name: 'bad' }, message: { content: delivery.content, routingKey: 'bad' } },
    ]);
    const other = aftermath({ deadLetter: false });
    expect(other.subject.nextOfMalformed).toBe('reject');
    expect(await other.subject.malformed(delivery, undefined, new Error('no JSON'))).toBe('reject');
    expect(other.sent).toEqual([]);
  });
});

describe('a message whose turn comes too late', () => {
  const late = (deadlineMs: number) => {
    const { history, ...rest } = handled({
      headers: {
        'postage-queue': 'work',
        'postage-retry-attempt': 2,
        'postage-last-error': 'Error: before',
        'postage-handlers': ['A.one', 'B.two'],
        'postage-deadline': new Date(deadlineMs).toISOString(),
      },
    });
    if (history === undefined) throw new Error('it has no history');
    return { ...rest, history };
  };

  it('is a dead letter for those that it was for', async () => {
    const { subject, sent, events } = aftermath();
    expect(await subject.expired(late(NOW_MS))).toBe('ack');
    expect(events).toMatchObject([{ kind: 'retry.expired', attempt: 2, next: 'dead-letter' }]);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.message.properties.headers).toMatchObject({
      'postage-handlers': ['A.one', 'B.two'],
      'postage-last-error': 'Error: before',
      'postage-reason': 'failed',
    });
  });

  it('is left to the broker where no dead letters are kept', async () => {
    const { subject, events } = aftermath({ deadLetter: false });
    expect(await subject.expired(late(NOW_MS))).toBe('reject');
    expect(events).toMatchObject([{ kind: 'retry.expired', next: 'reject' }]);
  });

  it('is handled until then', () => {
    const { subject } = aftermath();
    expect(subject.expired(late(NOW_MS + 1))).toBeUndefined();
  });
});
