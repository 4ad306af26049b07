import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort } from './on-abort.js';

describe('onAbort', () => {
  it('tells every listener the reason, once, with a single listener at the signal', () => {
    const stop = new AbortController();
    const told: unknown[] = [];
    const tell = (reason: unknown): unknown => told.push(reason);
    for (let n = 0; n < 50; n += 1) onAbort(stop.signal, tell);
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    stop.abort('enough');
    stop.abort('again');
    expect(told).toEqual(Array.from({ length: 50 }, () => 'enough'));
  });

  it('tells at once where the signal has aborted already', () => {
    const told: unknown[] = [];
    onAbort(AbortSignal.abort('before'), (reason) => told.push(reason))();
    expect(told).toEqual(['before']);
  });

  it('leaves nothing at the signal once nobody listens, and can begin anew', () => {
    const stop = new AbortController();
    const told: string[] = [];
    const stops = ['a', 'b'].map((name) => onAbort(stop.signal, () => told.push(name)));
    for (const end of stops) end();
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    // A second time does no harm to those who have come since.
    onAbort(stop.signal, () => told.push('c'));
    for (const end of stops) end();
    stop.abort();
    expect(told).toEqual(['c']);
  });

  it('does nothing without a signal', () => {
    onAbort(undefined, () => expect.unreachable())();
  });
});
