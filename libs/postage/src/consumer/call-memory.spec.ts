import { afterEach, describe, expect, it, vi } from 'vitest';
import { deferred } from '../connection/deferred.js';
import type { Delivery, MessageProperties } from '../connection/port.js';
import { CallMemory, type FirstOrNot } from './call-memory.js';
import type { CallAnswer, CallClaim, CallStore } from './call-store.js';
import { RecentCalls, type RunningCall } from './recent-calls.js';

const MAX_AGE_MS = 1_000;
const STORE_TIMEOUT_MS = 200;

const request = (properties: MessageProperties = {}, redelivered = false): Delivery => ({
  deliveryTag: 1,
  redelivered,
  exchange: '',
  routingKey: 'q',
  content: Buffer.from('?'),
  properties: {
    messageId: 'm1',
    replyTo: 'replies',
    correlationId: 'm1',
    headers: { 'postage-attempt': 1 },
    ...properties,
  },
});
const answerOf = (text: string): CallAnswer => ({ content: Buffer.from(text), contentType: 'text/plain' });

const memoryWith = (store?: CallStore) => {
  const errors: unknown[] = [];
  const recent = new RecentCalls({ maxCalls: 100, maxAgeMs: MAX_AGE_MS, maxBytes: 10_000 });
  const memory = new CallMemory({
    recent,
    store,
    storeTimeoutMs: STORE_TIMEOUT_MS,
    maxAgeMs: MAX_AGE_MS,
    onStoreError: (error) => errors.push(error),
  });
  return { memory, errors };
};

/** How the call is remembered that is to be handled. */
const runOf = (met: FirstOrNot): RunningCall => {
  if (met.kind !== 'first' || !met.run) throw new Error(`is not to be handled and remembered: ${met.kind}`);
  return met.run;
};
const FIRST = { kind: 'first', run: { callId: 'q\nm1', replyTo: 'replies', correlationId: 'm1' } };

/** A store that claims as it is told, and what it was asked. */
const storeThat = (claim: CallStore['claim'], answered: CallStore['answered'] = () => undefined) => {
  const asked: unknown[][] = [];
  const store: CallStore = {
    claim: (...args) => {
      asked.push(['claim', ...args]);
      return claim(...args);
    },
    answered: (...args) => {
      asked.push(['answered', ...args]);
      return answered(...args);
    },
  };
  return { store, asked };
};

afterEach(() => {
  vi.useRealTimers();
});

describe('CallMemory', () => {
  it('takes a call for the first, then for a running one, then for an answered one', async () => {
    const { memory, errors } = memoryWith();
    const first = await memory.meet('q', request(), undefined);
    expect(first).toMatchObject(FIRST);
    const run = runOf(first);
    const again = await memory.meet('q', request(), undefined);
    expect(again).toEqual({ kind: 'running', call: run });
    const answer = answerOf('!');
    await memory.answered(run, answer);
    const sent = { answer, isDelivered: true };
    memory.ended(run, sent);
    expect(again.kind === 'running' && (await again.call.answered)).toBe(sent);
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'answered', answer });
    expect([memory.size, errors]).toEqual([1, []]);
  });

  it('knows a second attempt again, whatever else it says', async () => {
    const { memory } = memoryWith();
    await memory.meet('q', request(), 500);
    const second = request(
      { replyTo: 'other replies', correlationId: 'x', headers: { 'postage-attempt': 2 } },
      true,
    );
    expect(await memory.meet('q', second, 100)).toMatchObject({ kind: 'running' });
  });

  it('takes one id in two queues for two calls, and two ids in one', async () => {
    const { memory } = memoryWith();
    const met = [
      await memory.meet('q', request(), undefined),
      await memory.meet('r', request(), undefined),
      await memory.meet('q', request({ messageId: 'm2' }), undefined),
    ];
    expect(met.map(({ kind }) => kind)).toEqual(['first', 'first', 'first']);
    expect(memory.size).toBe(3);
  });

  it.for<[string, MessageProperties]>([
    ['without a message id', { messageId: undefined }],
    ['with an empty message id', { messageId: '' }],
    ['without headers', { headers: undefined }],
    ['without the number of its attempt', { headers: { 'postage-remaining-ms': 5 } }],
    ['whose attempt is no number', { headers: { 'postage-attempt': '1' } }],
  ])('never knows a request again %s', async ([, properties]) => {
    const { store, asked } = storeThat(() => ({ kind: 'claimed' }));
    const { memory } = memoryWith(store);
    for (let count = 0; count < 3; count += 1) {
      const met = await memory.meet('q', request(properties), undefined);
      expect(met).toEqual({ kind: 'first', run: undefined });
      await memory.answered(undefined, answerOf('!'));
      memory.ended(undefined, undefined);
    }
    expect([memory.size, asked]).toEqual([0, []]);
  });

  it('lets a call run again that came to nothing', async () => {
    const { memory } = memoryWith();
    const first = await memory.meet('q', request(), undefined);
    memory.ended(runOf(first), undefined);
    const second = await memory.meet('q', request(), undefined);
    expect(runOf(second)).not.toBe(runOf(first));
    // The first run is over for good, whoever ends it once more.
    memory.ended(runOf(first), undefined);
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'running', call: runOf(second) });
  });

  it('forgets what was answered when nothing comes any more', async () => {
    const { memory } = memoryWith();
    const run = runOf(await memory.meet('q', request(), undefined));
    await memory.answered(run, answerOf('!'));
    memory.ended(run, undefined);
    expect(memory.size).toBe(1);
    memory.clear();
    expect(memory.size).toBe(0);
  });
});

describe('CallMemory, with a store', () => {
  it('claims a call that it does not know, for as long as the caller waits', async () => {
    const { store, asked } = storeThat(() => ({ kind: 'claimed' }));
    const { memory } = memoryWith(store);
    expect(await memory.meet('q', request(), 250.2)).toMatchObject(FIRST);
    expect(await memory.meet('q', request({ messageId: 'm2' }), undefined)).toMatchObject({ kind: 'first' });
    expect(asked).toEqual([
      ['claim', 'q\nm1', 251],
      ['claim', 'q\nm2', MAX_AGE_MS],
    ]);
  });

  it('asks nothing about a call that runs or was answered here', async () => {
    const { store, asked } = storeThat(() => ({ kind: 'claimed' }));
    const { memory } = memoryWith(store);
    const answer = answerOf('!');
    const run = runOf(await memory.meet('q', request(), undefined));
    await memory.meet('q', request(), undefined);
    await memory.answered(run, answer);
    memory.ended(run, { answer, isDelivered: true });
    await memory.meet('q', request(), undefined);
    expect(asked).toEqual([
      ['claim', 'q\nm1', MAX_AGE_MS],
      ['answered', 'q\nm1', answer, MAX_AGE_MS],
    ]);
  });

  it('gives the store of an answer what it is for, and nothing beside', async () => {
    const { store, asked } = storeThat(() => ({ kind: 'claimed' }));
    const { memory } = memoryWith(store);
    const run = runOf(await memory.meet('q', request(), undefined));
    const answer: CallAnswer = { ...answerOf('no'), errorName: 'NotFound' };
    // As the replier has it: with the decoded body, which the store would have to write down.
    await memory.answered(run, Object.assign({ body: 'decoded' }, answer));
    expect(asked[1]).toStrictEqual(['answered', 'q\nm1', answer, MAX_AGE_MS]);
  });

  it('leaves a call alone that another process handles, and remembers nothing of it', async () => {
    let claim: CallClaim = { kind: 'running' };
    const { memory } = memoryWith(storeThat(() => claim).store);
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'elsewhere' });
    expect(memory.size).toBe(0);
    // That process has died meanwhile, and its claim is void.
    claim = { kind: 'claimed' };
    expect(await memory.meet('q', request(), undefined)).toMatchObject({ kind: 'first' });
  });

  it('takes over a call that the broker delivers again: whoever had it did not finish', async () => {
    const { memory } = memoryWith(storeThat(() => Promise.resolve({ kind: 'running' } as const)).store);
    const met = await memory.meet('q', request({}, true), undefined);
    expect(met).toMatchObject(FIRST);
    expect(await memory.meet('q', request(), undefined)).toMatchObject({ kind: 'running' });
  });

  it('gives an answer again that another process has given, and remembers it', async () => {
    const answer = answerOf('from elsewhere');
    const { store, asked } = storeThat(() => ({ kind: 'answered', answer }));
    const { memory } = memoryWith(store);
    const met = await memory.meet('q', request({}, true), undefined);
    expect(met).toMatchObject({ kind: 'answered', answer });
    // Until it is sent, others wait for that.
    expect(await memory.meet('q', request(), undefined)).toMatchObject({ kind: 'running' });
    memory.ended(met.kind === 'answered' ? met.run : undefined, { answer, isDelivered: true });
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'answered', answer });
    expect([asked.length, memory.size]).toEqual([1, 1]);
  });

  it.for<[string, CallClaim, unknown]>([
    ['is claimed', { kind: 'claimed' }, 'still waits'],
    ['runs elsewhere', { kind: 'running' }, undefined],
    ['was answered elsewhere', { kind: 'answered', answer: answerOf('!') }, 'still waits'],
  ])('lets the same call wait that comes while the store is asked, until it %s', async ([, claim, sent]) => {
    const asking = deferred<CallClaim>();
    const { store, asked } = storeThat(() => asking.promise);
    const { memory } = memoryWith(store);
    const first = memory.meet('q', request(), undefined);
    const second = await memory.meet('q', request(), undefined);
    if (second.kind !== 'running') throw new Error('did not wait');
    asking.resolve(claim);
    await first;
    const later = new Promise((resolve) => setImmediate(resolve, 'still waits'));
    expect(await Promise.race([second.call.answered, later])).toEqual(sent);
    expect(asked.length).toBe(1);
  });

  it.for([true, false])(
    'tells those who wait for an answer from elsewhere whether it was delivered (%s)',
    async (isDelivered) => {
      const answer = answerOf('!');
      const { memory } = memoryWith(storeThat(() => Promise.resolve({ kind: 'answered', answer })).store);
      const first = memory.meet('q', request(), undefined);
      const second = await memory.meet('q', request(), undefined);
      if (second.kind !== 'running') throw new Error('did not wait');
      const met = await first;
      memory.ended(met.kind === 'answered' ? met.run : undefined, { answer, isDelivered });
      expect(await second.call.answered).toEqual({ answer, isDelivered });
    },
  );
});

describe('CallMemory, with a store that takes a call for running that was given up here', () => {
  /** A call of so many milliseconds that is claimed, and the store from then on. */
  const claimedCall = async (remainingMs?: number) => {
    const claim = vi.fn<CallStore['claim']>(() => ({ kind: 'running' }));
    claim.mockReturnValueOnce({ kind: 'claimed' });
    const { memory } = memoryWith(storeThat(claim).store);
    return { memory, run: runOf(await memory.meet('q', request(), remainingMs)) };
  };

  it('lets the repeated call run here, however often that is given up', async () => {
    const { memory, run } = await claimedCall();
    memory.ended(run, undefined);
    for (let count = 0; count < 3; count += 1) {
      const again = await memory.meet('q', request(), undefined);
      expect(again).toMatchObject(FIRST);
      expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'running', call: runOf(again) });
      memory.ended(runOf(again), undefined);
    }
    expect(await memory.meet('q', request({ messageId: 'm2' }), undefined)).toEqual({ kind: 'elsewhere' });
  });

  it('leaves it alone when the lease is over: somebody else may have claimed it since', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const [late, early] = [await claimedCall(250), await claimedCall(250)];
    for (const { memory, run } of [late, early]) memory.ended(run, undefined);
    vi.advanceTimersByTime(249);
    expect(await early.memory.meet('q', request(), 100)).toMatchObject(FIRST);
    vi.advanceTimersByTime(1);
    expect(await late.memory.meet('q', request(), 100)).toEqual({ kind: 'elsewhere' });
  });

  it('leaves it alone when it was answered here, at once or the second time', async () => {
    const [once, twice] = [await claimedCall(), await claimedCall()];
    twice.memory.ended(twice.run, undefined);
    const again = runOf(await twice.memory.meet('q', request(), undefined));
    for (const [{ memory }, run] of [[once, once.run] as const, [twice, again] as const]) {
      await memory.answered(run, answerOf('!'));
      memory.ended(run, undefined);
      // As if its answer were forgotten.
      memory.clear();
      expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'elsewhere' });
    }
  });
});

describe('CallMemory, with a store that fails', () => {
  const broken = new Error('the store is down');
  const throwing = (): never => {
    throw broken;
  };
  const rejecting = (): Promise<never> => Promise.reject(broken);

  it.for([
    ['throws', throwing],
    ['rejects', rejecting],
  ] as const)('handles a call where the claim %s, and reports it', async ([, claim]) => {
    const { memory, errors } = memoryWith(storeThat(claim).store);
    expect(await memory.meet('q', request(), undefined)).toMatchObject(FIRST);
    expect(errors).toEqual([broken]);
    // This process knows it again all the same.
    expect(await memory.meet('q', request(), undefined)).toMatchObject({ kind: 'running' });
  });

  it.for<[string, unknown]>([
    ['nothing', undefined],
    ['no kind', {}],
    ['an unknown kind', { kind: 'done', answer: answerOf('!') }],
    ['no answer', { kind: 'answered' }],
    ['text for bytes', { kind: 'answered', answer: { content: '!', contentType: 'text/plain' } }],
    ['an answer without its type', { kind: 'answered', answer: { content: Buffer.from('!') } }],
  ])('handles a call where the claim is none, but %s, and reports it', async ([, claim]) => {
    // What another process, or another version of it, has written.
    const { memory, errors } = memoryWith(storeThat(() => Promise.resolve(claim as CallClaim)).store);
    expect(await memory.meet('q', request(), undefined)).toMatchObject(FIRST);
    expect(errors).toEqual([expect.any(TypeError)]);
  });

  it.for([
    ['throws', throwing],
    ['rejects', rejecting],
  ] as const)('keeps an answer itself where the store %s, and reports it', async ([, answered]) => {
    const { memory, errors } = memoryWith(storeThat(() => ({ kind: 'claimed' }), answered).store);
    const run = runOf(await memory.meet('q', request(), undefined));
    const answer = answerOf('!');
    await memory.answered(run, answer);
    memory.ended(run, undefined);
    expect(errors).toEqual([broken]);
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'answered', answer });
  });

  it('remembers an answer before the store has it', async () => {
    const storing = deferred<void>();
    const { memory } = memoryWith(
      storeThat(
        () => ({ kind: 'claimed' }),
        () => storing.promise,
      ).store,
    );
    const run = runOf(await memory.meet('q', request(), undefined));
    const answer = answerOf('!');
    const stored = memory.answered(run, answer);
    memory.ended(run, { answer, isDelivered: true });
    expect(await memory.meet('q', request(), undefined)).toEqual({ kind: 'answered', answer });
    storing.resolve();
    await stored;
  });
});

describe('CallMemory, with a store that never answers', () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const late = expect.objectContaining({ message: 'it did not answer within 200 ms' }) as Error;

  it('handles a call when the claim has taken too long, and reports it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { memory, errors } = memoryWith(storeThat(never).store);
    let met: FirstOrNot | undefined;
    const meeting = Promise.resolve(memory.meet('q', request(), undefined)).then((result) => (met = result));
    await vi.advanceTimersByTimeAsync(STORE_TIMEOUT_MS - 1);
    expect([met, errors]).toEqual([undefined, []]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await meeting).toMatchObject(FIRST);
    expect([errors, vi.getTimerCount()]).toEqual([[late], 0]);
  });

  it('goes on when an answer takes too long to be stored, and reports it', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { memory, errors } = memoryWith(storeThat(() => ({ kind: 'claimed' }), never).store);
    const run = runOf(await memory.meet('q', request(), undefined));
    const stored = memory.answered(run, answerOf('!'));
    await vi.advanceTimersByTimeAsync(STORE_TIMEOUT_MS);
    await stored;
    expect(errors).toEqual([late]);
  });

  it('leaves no timer where the store answers, or fails', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    for (const claim of [() => ({ kind: 'claimed' }) as const, () => Promise.reject(new Error('down'))]) {
      await memoryWith(storeThat(claim).store).memory.meet('q', request(), undefined);
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});
