import { afterEach, describe, expect, it, vi } from 'vitest';
import { Causation } from '../connection/causation.js';
import { PostageConnection } from '../connection/connection.js';
import { deferred } from '../connection/deferred.js';
import type { Delivery } from '../connection/port.js';
import type { ConnectionState } from '../connection/state.js';
import type { PostageEvent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { Codec } from '../wire/codec.js';
import { MessageResult, MessageResultException, RpcCommand } from '../wire/message.js';
import { CallMemory } from './call-memory.js';
import { CallSignal } from './call-signal.js';
import type { CallAnswer, CallClaim, CallStore } from './call-store.js';
import type { Handler } from './handlers.js';
import type { Occasion } from './invocation.js';
import type { Settlement } from './outcome.js';
import { RecentCalls } from './recent-calls.js';
import { Replier, type EncodedAnswer } from './replier.js';
import { Reporter } from './reporter.js';
import { RpcDispatcher } from './rpc-dispatch.js';

const MAX_AGE_MS = 60_000;
const codec = new Codec();
const { body } = new RpcCommand('ask');
const turn = (): Promise<void> => new Promise(setImmediate);

/** Encodes as every replier does, and keeps what it should send. */
class FakeReplier extends Replier {
  readonly sent: string[] = [];

  constructor() {
    super({
      // Never opened: nothing is published.
      connection: new PostageConnection({ driver: new MemoryBroker(), name: 'x' }),
      codec,
      fingerprint: { name: 'x', type: null, pid: '1', host: 'here', user: 'me', vhost: '/' },
      observer: () => undefined,
      debug: false,
    });
  }

  override send({ properties }: Delivery, { content }: EncodedAnswer): Promise<void> {
    const { value, message } = JSON.parse(content.toString()).content as { value: unknown; message?: string };
    this.sent.push(`${properties.messageId}: ${String(value)}${message ? `, ${message}` : ''}`);
    return Promise.resolve();
  }
}

/** The connection that the answers go out on, for a handler's signal. */
class Publishing {
  readonly wasReady = true;
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  state: ConnectionState = { kind: 'ready', address: 'memory:///', sinceMs: 0 };

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listening(): number {
    return this.#listeners.size;
  }

  lose(): void {
    this.#become({ kind: 'connecting', attempt: 1 });
  }

  comeBack(): void {
    this.#become({ kind: 'ready', address: 'memory:///', sinceMs: 1 });
  }

  #become(state: ConnectionState): void {
    this.state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

const requestOf = (messageId: string, correlationId?: string): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: '',
  routingKey: 'q',
  content: codec.encode(body),
  properties: { messageId, replyTo: 'replies', correlationId, headers: { 'postage-attempt': 1 } },
});

interface Asking {
  readonly remainingMs?: number;
  readonly correlationId?: string;
}

const startDispatcher = ({ store, maxCalls = 100 }: { store?: CallStore; maxCalls?: number } = {}) => {
  const events: PostageEvent['kind'][] = [];
  const recent = new RecentCalls({ maxCalls, maxAgeMs: MAX_AGE_MS, maxBytes: 1_000_000 });
  const onStoreError = (): void => undefined;
  const settings = { store, storeTimeoutMs: 1_000, maxAgeMs: MAX_AGE_MS };
  const replier = new FakeReplier();
  const publishing = new Publishing();
  const dispatcher = new RpcDispatcher({
    queue: 'q',
    isPrivate: false,
    replier,
    reporter: new Reporter('q', ({ kind }) => events.push(kind)),
    memory: new CallMemory({ ...settings, recent, onStoreError }),
    toFailure: (error) => MessageResultException.from(error),
  });
  const call = (
    messageId: string,
    invoke: Handler['invoke'],
    { remainingMs, correlationId }: Asking = {},
  ): Promise<Settlement> => {
    const delivery = requestOf(messageId, correlationId);
    const signal = new CallSignal({ remainingMs, isRpc: true, publishing });
    const occasion: Occasion = { delivery, cause: new Causation(delivery.properties), call: signal };
    const pattern = { category: 'rpc', type: 'command' } as const;
    const handler: Handler = { pattern, label: 'Asked.onAsk', filters: [], repliesItself: false, invoke };
    return dispatcher.handle(occasion, body, handler);
  };
  return { call, recent, publishing, events, sent: replier.sent };
};

/** A store that claims everything, and what it was given to keep. */
const storeThat = (answered: () => void | Promise<void> = () => undefined) => {
  const stored: CallAnswer[] = [];
  const store: CallStore = {
    claim: () => ({ kind: 'claimed' }),
    answered: (_, answer) => {
      stored.push(answer);
      return answered();
    },
  };
  return { store, stored };
};

afterEach(() => {
  vi.useRealTimers();
});

describe('RpcDispatcher', () => {
  it('answers a repeated call again without its handler, whatever the first answer was', async () => {
    const { store, stored } = storeThat();
    const { call, sent, events } = startDispatcher({ store });
    const never = (): Promise<never> => Promise.reject(new Error('ran again'));
    await call('m1', () => Promise.resolve(1));
    await call('m1', never);
    await call('m2', () => Promise.reject(new RangeError('too much')));
    await call('m2', never);
    expect(sent).toEqual(['m1: 1', 'm1: 1', 'm2: RangeError, too much', 'm2: RangeError, too much']);
    expect(events).toEqual(['call.repeated', 'handler.failed', 'call.repeated']);
    expect(stored.length).toBe(2);
  });

  it('sends the answer from elsewhere to all who have asked meanwhile, each under its own id', async () => {
    const { content } = new FakeReplier().encode(requestOf('m1'), new MessageResult(7));
    const claiming = deferred<CallClaim>();
    const store: CallStore = { claim: () => claiming.promise, answered: () => undefined };
    const { call, sent, events } = startDispatcher({ store });
    const never = (): Promise<never> => Promise.reject(new Error('ran'));
    const asked = ['a', 'a', 'b'].map((correlationId) => call('m1', never, { correlationId }));
    await turn();
    claiming.resolve({ kind: 'answered', answer: { content, contentType: 'application/json' } });
    expect(await Promise.all(asked)).toEqual(['ack', 'ack', 'ack']);
    // The first two are one caller's: it has it.
    expect(sent).toEqual(['m1: 7', 'm1: 7']);
    expect(events).toEqual(['call.repeated', 'call.repeated', 'call.repeated']);
  });

  it('remembers and stores the bytes of an answer, and nothing that it was made of', async () => {
    const { store, stored } = storeThat();
    const { call, recent } = startDispatcher({ store });
    await call('m1', () => Promise.resolve('x'.repeat(10)));
    const known = recent.find('q\nm1');
    const kept = ['content', 'contentType', 'errorName'];
    for (const answer of [stored[0], known?.kind === 'answered' ? known.answer : undefined])
      expect(kept).toEqual(expect.arrayContaining(Object.keys(answer ?? { nothing: true })));
  });

  it('ends its own run only: not one that the same call has begun since', async () => {
    const storing = deferred<void>();
    let answers = 0;
    const { store } = storeThat(() => ((answers += 1) === 1 ? storing.promise : undefined));
    const { call, recent } = startDispatcher({ store, maxCalls: 1 });
    const one = call('m1', () => Promise.resolve(1));
    await turn();
    // One answer is kept, so this one pushes out the first, whose store is not done.
    await call('m2', () => Promise.resolve(2));
    const finish = deferred<number>();
    const again = call('m1', () => finish.promise);
    await turn();
    expect(recent.find('q\nm1')?.kind).toBe('running');
    storing.resolve();
    await one;
    expect(recent.find('q\nm1')?.kind).toBe('running');
    finish.resolve(3);
    await again;
    expect(recent.find('q\nm1')?.kind).toBe('answered');
  });
});

describe('RpcDispatcher, for a handler that gives up because of its signal', () => {
  /** Waits for its signal, and does as that says. */
  const giveUp: Handler['invoke'] = ({ call: { signal } }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

  it('puts the request back where the connection is lost, and decides nothing: it runs again', async () => {
    const { store, stored } = storeThat();
    const { call, recent, publishing, sent, events } = startDispatcher({ store });
    const first = call('m1', giveUp);
    await turn();
    publishing.lose();
    await turn();
    // Not before an answer could be sent: it would only be told to give up again.
    expect(publishing.listening).toBeGreaterThan(0);
    publishing.comeBack();
    expect(await first).toBe('requeue');
    expect([sent, recent.size, stored, events]).toEqual([[], 0, [], ['handler.aborted']]);
    expect(await call('m1', () => Promise.resolve('done after all'))).toBe('ack');
    expect(sent).toEqual(['m1: done after all']);
    expect([recent.find('q\nm1')?.kind, stored.length, events]).toEqual(['answered', 1, ['handler.aborted']]);
  });

  it('is done with the request where the deadline has passed, and remembers nothing', async () => {
    const { call, recent, sent, events } = startDispatcher();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const first = call('m1', giveUp, { remainingMs: 100 });
    await turn();
    vi.advanceTimersByTime(100);
    expect(await first).toBe('ack');
    expect([sent, recent.size, events]).toEqual([[], 0, ['handler.aborted']]);
  });

  it('lets the same call run that has come meanwhile and waits for the first', async () => {
    const { call, publishing, sent, events } = startDispatcher();
    const first = call('m1', giveUp);
    await turn();
    const second = call('m1', () => Promise.resolve('in its place'));
    await turn();
    publishing.lose();
    await turn();
    publishing.comeBack();
    expect([await first, await second]).toEqual(['requeue', 'ack']);
    expect([sent, events]).toEqual([['m1: in its place'], ['call.repeated', 'handler.aborted']]);
  });

  it('remembers the failure of a handler that fails for another reason, though its signal has aborted', async () => {
    const { call, publishing, sent, events } = startDispatcher();
    const first = call('m1', ({ call: { signal } }) => {
      expect(signal.aborted).toBe(false);
      publishing.lose();
      return Promise.reject(new RangeError('too much'));
    });
    expect(await first).toBe('ack');
    await call('m1', () => Promise.resolve('ran again'));
    expect(sent).toEqual(['m1: RangeError, too much', 'm1: RangeError, too much']);
    expect(events).toEqual(['handler.failed', 'call.repeated']);
  });

  it('keeps what the handler has answered before it gave up', async () => {
    const { call, publishing, sent, events } = startDispatcher();
    const first = call('m1', (invocation) => {
      const given = giveUp(invocation);
      invocation.reply('early');
      return given;
    });
    await turn();
    publishing.lose();
    expect(await first).toBe('ack');
    await call('m1', () => Promise.resolve('ran again'));
    expect(sent).toEqual(['m1: early', 'm1: early']);
    expect(events).toEqual(['handler.aborted', 'call.repeated']);
  });
});
