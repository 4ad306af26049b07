import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deferred } from '../connection/deferred.js';
import { withPatience, type Patience } from './patience.js';

const tooLong = new Error('that took too long');
const patienceOf = (own: Partial<Patience> = {}): Patience => ({
  limitMs: 100,
  signal: undefined,
  onLimit: () => tooLong,
  onAbort: (cause) => new Error('aborted', { cause }),
  ...own,
});
/** Work that ends only with its signal. */
const endless = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('withPatience', () => {
  it('gives what the work gives, or its error, and leaves no timer and no listener', async () => {
    const { signal } = new AbortController();
    const error = new Error('refused');
    expect(await withPatience(patienceOf({ signal }), () => Promise.resolve(5))).toBe(5);
    await expect(withPatience(patienceOf({ signal }), () => Promise.reject(error))).rejects.toBe(error);
    expect([vi.getTimerCount(), getEventListeners(signal, 'abort')]).toEqual([0, []]);
  });

  it('ends the work when its time is over, and not before', async () => {
    const signals: AbortSignal[] = [];
    const ended = withPatience(patienceOf(), (signal) => {
      signals.push(signal);
      return endless(signal);
    });
    pass(99);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    pass(1);
    expect(signals.map(({ reason }) => reason as unknown)).toEqual([tooLong]);
    await expect(ended).rejects.toBe(tooLong);
  });

  it('waits on for as long as the limit says when it is asked, time and again', async () => {
    const answers: (number | Error)[] = [50, 30, tooLong];
    let asked = 0;
    const onLimit = (): number | Error => answers[asked++] ?? new Error('asked too often');
    const ended = withPatience(patienceOf({ onLimit }), endless);
    const counts = [99, 1, 49, 1, 29, 1].map((ms) => {
      pass(ms);
      return asked;
    });
    expect(counts).toEqual([0, 1, 1, 2, 2, 3]);
    await expect(ended).rejects.toBe(tooLong);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer when the work is done while it waits on', async () => {
    const work = deferred<string>();
    const ended = withPatience(patienceOf({ onLimit: () => 1_000 }), () => work.promise);
    pass(100);
    work.resolve('done');
    expect([await ended, vi.getTimerCount()]).toEqual(['done', 0]);
  });

  it('waits for longer than a timer can hold', async () => {
    const onLimit = vi.fn<() => Error>(() => tooLong);
    const ended = withPatience(patienceOf({ limitMs: 2 ** 32, onLimit }), endless);
    pass(2 ** 32 - 1);
    expect(onLimit).not.toHaveBeenCalled();
    pass(1);
    await expect(ended).rejects.toBe(tooLong);
  });

  it.each([0, -5])('ends the work with the next timer where %d ms are left', async (limitMs) => {
    const ended = withPatience(patienceOf({ limitMs }), endless);
    pass(1);
    await expect(ended).rejects.toBe(tooLong);
  });

  it('ends the work when the signal of the caller aborts, and says so in its own words', async () => {
    const stop = new AbortController();
    const ended = withPatience(patienceOf({ signal: stop.signal }), endless);
    stop.abort('the user left');
    await expect(ended).rejects.toMatchObject({ message: 'aborted', cause: 'the user left' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives the work an aborted signal where that of the caller has aborted before', async () => {
    const work = vi.fn<(signal: AbortSignal) => Promise<string>>(({ aborted }) =>
      Promise.resolve(aborted ? 'aborted' : 'not aborted'),
    );
    expect(await withPatience(patienceOf({ signal: AbortSignal.abort('too late') }), work)).toBe('aborted');
    expect(vi.getTimerCount()).toBe(0);
  });
});
