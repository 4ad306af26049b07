import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { withinLimit } from './time-limit.js';

const never = (): Promise<never> => new Promise(() => undefined);

afterEach(() => {
  vi.useRealTimers();
});

describe('withinLimit', () => {
  it('gives what the work gives, and leaves its signal alone afterwards', async () => {
    vi.useFakeTimers();
    const given = new AbortController();
    let own: AbortSignal | undefined;
    const work = withinLimit({ limitMs: 20, text: 'late', signal: given.signal }, async (signal) => {
      own = signal;
      return 'done';
    });
    expect(await work).toBe('done');
    given.abort();
    vi.advanceTimersByTime(40);
    expect(own?.aborted).toBe(false);
    expect(getEventListeners(given.signal, 'abort')).toEqual([]);
  });

  it('ends work that does not end, and tells it', async () => {
    let own: AbortSignal | undefined;
    const work = withinLimit({ limitMs: 5, text: 'late' }, (signal) => {
      own = signal;
      return never();
    });
    await expect(work).rejects.toThrow('late');
    expect(own?.aborted).toBe(true);
  });

  it('ends when the caller gives up, also before it has begun', async () => {
    const given = new AbortController();
    const work = withinLimit({ limitMs: 60_000, text: 'late', signal: given.signal }, never);
    given.abort(new Error('not wanted'));
    await expect(work).rejects.toThrow('not wanted');
    const again = withinLimit({ limitMs: 60_000, text: 'late', signal: given.signal }, never);
    await expect(again).rejects.toThrow('not wanted');
  });

  it('passes on what the work throws', async () => {
    const work = withinLimit({ limitMs: 60_000, text: 'late' }, () => Promise.reject(new Error('broken')));
    await expect(work).rejects.toThrow('broken');
  });
});
