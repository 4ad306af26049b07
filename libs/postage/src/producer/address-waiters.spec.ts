import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AddressWaiters } from './address-waiters.js';
import type { ReplyAddress } from './reply-address.js';

const addressNamed = (name: string): ReplyAddress => ({
  name,
  listener: undefined,
  release: () => undefined,
});
const addressesNamed = (...names: readonly string[]): ReplyAddress[] => names.map(addressNamed);

const patient = (): AbortSignal => new AbortController().signal;
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('AddressWaiters', () => {
  it('are served in their order, as long as there is something', async () => {
    const waiters = new AddressWaiters();
    const [first, second, third] = [1, 2, 3].map(() => waiters.add(patient()));
    const ready = addressesNamed('a', 'b');
    waiters.serve(() => ready.shift());
    expect([(await first)?.name, (await second)?.name, waiters.size]).toEqual(['a', 'b', 1]);
    waiters.serve(() => addressNamed('c'));
    expect([(await third)?.name, waiters.size]).toEqual(['c', 0]);
  });

  it('take nothing that nobody waits for', () => {
    const ready = addressesNamed('a');
    new AddressWaiters().serve(() => ready.shift());
    expect(ready.length).toBe(1);
  });

  it('give up when their signal aborts, with its reason, and are passed over', async () => {
    const waiters = new AddressWaiters();
    const stop = new AbortController();
    const [impatient, next] = [waiters.add(stop.signal), waiters.add(patient())];
    stop.abort('enough');
    await expect(impatient).rejects.toBe('enough');
    expect(waiters.size).toBe(1);
    waiters.serve(() => addressNamed('a'));
    expect((await next).name).toBe('a');
  });

  it('do not wait where the signal has aborted before', async () => {
    const waiters = new AddressWaiters();
    const aborted = AbortSignal.abort('too late');
    const taken = waiters.add(aborted);
    expect([waiters.size, listeners(aborted)]).toEqual([0, 0]);
    await expect(taken).rejects.toBe('too late');
  });

  it('have what they were given, also when their signal aborts in that moment', async () => {
    const waiters = new AddressWaiters();
    const stop = new AbortController();
    const taken = waiters.add(stop.signal);
    waiters.serve(() => addressNamed('a'));
    stop.abort('enough');
    expect((await taken).name).toBe('a');
  });

  it('are told together why there is nothing, and the next ones wait again', async () => {
    const waiters = new AddressWaiters();
    const taken = [waiters.add(patient()), waiters.add(patient())];
    const refused = new Error('refused');
    waiters.rejectAll(refused);
    const later = waiters.add(patient());
    expect(await Promise.allSettled(taken)).toEqual([
      { status: 'rejected', reason: refused },
      { status: 'rejected', reason: refused },
    ]);
    expect(waiters.size).toBe(1);
    waiters.serve(() => addressNamed('a'));
    expect((await later).name).toBe('a');
  });

  it('leave no listener at their signal, however the wait ends', async () => {
    const waiters = new AddressWaiters();
    const stop = new AbortController();
    const served = waiters.add(stop.signal);
    expect(listeners(stop.signal)).toBe(1);
    waiters.serve(() => addressNamed('a'));
    expect(listeners(stop.signal)).toBe(0);
    await served;
    const refused = waiters.add(stop.signal);
    waiters.rejectAll(new Error('refused'));
    expect(listeners(stop.signal)).toBe(0);
    await expect(refused).rejects.toThrow('refused');
    const aborted = waiters.add(stop.signal);
    stop.abort('enough');
    expect(listeners(stop.signal)).toBe(0);
    await expect(aborted).rejects.toBe('enough');
  });
});
