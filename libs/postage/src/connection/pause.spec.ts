import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { pause } from './pause.js';

describe('pause', () => {
  it('ends at once when the signal aborts, and leaves no listener behind', async () => {
    const stop = new AbortController();
    const pauses = [pause(1_000_000, stop.signal), pause(1, stop.signal)];
    await pauses[1];
    stop.abort();
    await Promise.all(pauses);
    await pause(1_000_000, stop.signal);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('of many at once causes no warning of Node: an application may have more than ten queues', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const stop = new AbortController();
    const pauses = Array.from({ length: 50 }, () => pause(1_000_000, stop.signal));
    stop.abort();
    await Promise.all(pauses);
    // Node tells of it on the next turn.
    await setImmediate();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});
