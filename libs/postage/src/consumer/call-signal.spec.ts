import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConnectionState } from '../connection/state.js';
import { CallSignal } from './call-signal.js';

const READY: ConnectionState = { kind: 'ready', address: 'memory:///', sinceMs: 0 };
const WAITING: ConnectionState = { kind: 'waiting', attempt: 1, retryInMs: 10, error: new Error('refused') };
const FAILED: ConnectionState = { kind: 'failed', error: new Error('who are you?') };
const CONNECTING: ConnectionState = { kind: 'connecting', attempt: 1 };

/** A connection whose state the test says. */
class Publishing {
  readonly listeners = new Set<(state: ConnectionState) => void>();

  constructor(
    public state: ConnectionState,
    public wasReady: boolean,
  ) {}

  onState(listener: (state: ConnectionState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  become(state: ConnectionState): void {
    this.state = state;
    if (state.kind === 'ready') this.wasReady = true;
    for (const listener of this.listeners) listener(state);
  }
}

const callWith = ({ remainingMs, isRpc = true, state = READY, wasReady = true }: Partial<Setting> = {}) => {
  const publishing = new Publishing(state, wasReady);
  return { publishing, call: new CallSignal({ remainingMs, publishing, isRpc }) };
};
interface Setting {
  readonly remainingMs: number | undefined;
  readonly isRpc: boolean;
  readonly state: ConnectionState;
  readonly wasReady: boolean;
}

const codeOf = ({ aborted, reason }: AbortSignal): unknown =>
  aborted ? (reason as { code: unknown }).code : 'not aborted';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('CallSignal', () => {
  it('costs nothing before it is asked for: no listener and no timer', () => {
    const { call, publishing } = callWith({ remainingMs: 100 });
    expect([call.remainingMs, publishing.listeners.size, vi.getTimerCount()]).toEqual([100, 0, 0]);
    expect(call.signal.aborted).toBe(false);
    expect([publishing.listeners.size, vi.getTimerCount()]).toEqual([1, 1]);
  });

  it('is one signal, however often it is asked for', () => {
    const { call, publishing } = callWith({ remainingMs: 100 });
    expect(call.signal).toBe(call.signal);
    expect([publishing.listeners.size, vi.getTimerCount()]).toEqual([1, 1]);
  });

  it('has no timer where nobody knows how long the caller waits', () => {
    const { call } = callWith();
    const { signal } = call;
    pass(1_000_000);
    expect([call.remainingMs, codeOf(signal), vi.getTimerCount()]).toEqual([undefined, 'not aborted', 0]);
  });

  it('leaves no timer and no listener at the end, and never fires afterwards', () => {
    const { call, publishing } = callWith({ remainingMs: 100 });
    const { signal } = call;
    call.end();
    expect([publishing.listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
    pass(100);
    publishing.become({ kind: 'closed' });
    expect(codeOf(signal)).toBe('not aborted');
  });

  it('starts nothing when it is asked for after the end', () => {
    const { call, publishing } = callWith({ remainingMs: 100 });
    call.end();
    const { signal } = call;
    expect([publishing.listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
    pass(100);
    expect([codeOf(signal), call.signal]).toEqual(['not aborted', signal]);
  });
});

describe('CallSignal, by the deadline of the call', () => {
  it('aborts when the caller does not wait any more, and not before', () => {
    const { call } = callWith({ remainingMs: 100 });
    const { signal } = call;
    pass(99);
    expect([call.remainingMs, codeOf(signal)]).toEqual([1, 'not aborted']);
    pass(1);
    expect([call.remainingMs, codeOf(signal)]).toEqual([0, 'CALL_ABANDONED']);
  });

  it('counts from the arrival of the call, not from the first question', () => {
    const { call } = callWith({ remainingMs: 100 });
    pass(60);
    expect(call.remainingMs).toBe(40);
    const { signal } = call;
    pass(39);
    expect(codeOf(signal)).toBe('not aborted');
    pass(1);
    expect(codeOf(signal)).toBe('CALL_ABANDONED');
  });

  it('has aborted from the start where the deadline has passed; nothing remains, and never less', () => {
    const { call } = callWith({ remainingMs: 100 });
    pass(250);
    expect(call.remainingMs).toBe(0);
    expect(codeOf(call.signal)).toBe('CALL_ABANDONED');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('holds for messages, too', () => {
    const { call } = callWith({ remainingMs: 100, isRpc: false });
    const { signal } = call;
    pass(100);
    expect(codeOf(signal)).toBe('CALL_ABANDONED');
  });

  it('fires for a caller that waits for months, but not before they are over', () => {
    const { call } = callWith({ remainingMs: 2 ** 32 });
    const { signal } = call;
    pass(1_000_000);
    expect(codeOf(signal)).toBe('not aborted');
    pass(2 ** 32 - 1_000_001);
    expect(codeOf(signal)).toBe('not aborted');
    pass(1);
    expect(codeOf(signal)).toBe('CALL_ABANDONED');
  });
});

describe('CallSignal, looked back at', () => {
  it('was abandoned once the deadline has passed, whether or not a handler has asked', () => {
    const [asked, unasked] = [callWith({ remainingMs: 100 }).call, callWith({ remainingMs: 100 }).call];
    expect(asked.signal.aborted).toBe(false);
    pass(99);
    expect([asked.isAbandoned, unasked.isAbandoned]).toEqual([false, false]);
    pass(1);
    expect([asked.isAbandoned, unasked.isAbandoned]).toEqual([true, true]);
    asked.end();
    expect(asked.isAbandoned).toBe(true);
  });

  it('was abandoned as soon as the handler was told so: a timer may fire a little early', () => {
    vi.useRealTimers();
    // Here the clock all but stands still while the timers run.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { call } = callWith({ remainingMs: 100_000 });
    expect([call.signal.aborted, call.isAbandoned]).toEqual([false, false]);
    pass(100_000);
    expect(call.remainingMs).toBeGreaterThan(0);
    expect([call.signal.aborted, call.isAbandoned]).toEqual([true, true]);
  });

  it('was not abandoned where nobody knows the deadline, or where something else has aborted it', () => {
    const { call, publishing } = callWith();
    expect(call.signal.aborted).toBe(false);
    publishing.become(CONNECTING);
    pass(1_000_000);
    expect([call.signal.aborted, call.isAbandoned]).toEqual([true, false]);
  });

  it('knows the errors of a handler that did as it says', () => {
    const { call, publishing } = callWith();
    const { signal } = call;
    const aborts = (): unknown[] => [signal.reason, new DOMException('aborted', 'AbortError')];
    expect(aborts().map((error) => call.isReaction(error))).toEqual([false, false]);
    publishing.become(CONNECTING);
    expect(aborts().map((error) => call.isReaction(error))).toEqual([true, true]);
    const others = [new Error('CONNECTION_LOST'), 'AbortError', undefined];
    expect(others.map((error) => call.isReaction(error))).toEqual([false, false, false]);
  });

  it('takes no error for a reaction to a signal that nobody has asked for', () => {
    const { call } = callWith({ remainingMs: 100 });
    pass(100);
    expect(call.isReaction(new DOMException('aborted', 'AbortError'))).toBe(false);
  });
});

describe('CallSignal, by the connection that the answer goes out on', () => {
  it.each([CONNECTING, WAITING, FAILED])('aborts when it was ready and is $kind', (state) => {
    const { call, publishing } = callWith();
    const { signal } = call;
    publishing.become(state);
    expect(codeOf(signal)).toBe('CONNECTION_LOST');
  });

  it('keeps the first reason', () => {
    const { call, publishing } = callWith({ remainingMs: 100 });
    const { signal } = call;
    publishing.become(CONNECTING);
    publishing.become({ kind: 'closed' });
    pass(100);
    expect(codeOf(signal)).toBe('CONNECTION_LOST');
  });

  it('does not mind a broker that blocks publishers for a while', () => {
    const { call, publishing } = callWith();
    const { signal } = call;
    publishing.become({ ...READY, blocked: { reason: 'memory', sinceMs: 0 } });
    publishing.become(READY);
    expect(codeOf(signal)).toBe('not aborted');
  });

  it('has lost nothing while that opens for the first time', () => {
    const { call, publishing } = callWith({ state: { kind: 'idle' }, wasReady: false });
    const { signal } = call;
    publishing.become(CONNECTING);
    publishing.become(READY);
    expect(codeOf(signal)).toBe('not aborted');
    publishing.become(CONNECTING);
    expect(codeOf(signal)).toBe('CONNECTION_LOST');
  });

  it.each([WAITING, CONNECTING, FAILED])(
    'has aborted from the start where that was ready and is $kind',
    (state) => {
      expect(codeOf(callWith({ state }).call.signal)).toBe('CONNECTION_LOST');
    },
  );

  it.each([WAITING, CONNECTING, FAILED])(
    'misses no connection that was never ready and is $kind',
    (state) => {
      const { call, publishing } = callWith({ state, wasReady: false });
      expect(codeOf(call.signal)).toBe('not aborted');
      for (const next of [CONNECTING, WAITING, FAILED]) publishing.become(next);
      expect(codeOf(call.signal)).toBe('not aborted');
    },
  );

  it('does not trouble messages: nobody waits for an answer', () => {
    const { call, publishing } = callWith({ isRpc: false });
    const { signal } = call;
    for (const state of [CONNECTING, WAITING, FAILED, READY]) publishing.become(state);
    expect(codeOf(signal)).toBe('not aborted');
    expect(codeOf(callWith({ isRpc: false, state: WAITING }).call.signal)).toBe('not aborted');
  });

  it.each([true, false])('aborts when the application closes, whether or not it is an rpc (%s)', (isRpc) => {
    const { call, publishing } = callWith({ isRpc });
    const { signal } = call;
    publishing.become({ kind: 'closed' });
    expect(codeOf(signal)).toBe('CONNECTION_CLOSED');
    expect(codeOf(callWith({ isRpc, state: { kind: 'closed' } }).call.signal)).toBe('CONNECTION_CLOSED');
  });
});
