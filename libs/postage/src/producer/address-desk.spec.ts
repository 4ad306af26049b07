import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import { silent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { AddressDesk } from './address-desk.js';
import { CallClock } from './call-clock.js';
import { ReplyAddresses } from './reply-addresses.js';
import { requestTo } from './rpc-request.spec.fixture.js';

const request = requestTo({ exchange: '', routingKey: 'replier' });

const ignore = (): void => undefined;

/** A desk with a place for one call, on a connection that nobody needs. */
const startDesk = (): AddressDesk => {
  const connection = new PostageConnection({ driver: new MemoryBroker(), name: 'x' });
  const limits = { maxCalls: 1, idleMs: 60_000 };
  return new AddressDesk(
    new ReplyAddresses({ connection, observer: silent, ...limits, onLate: ignore, onAmbiguous: ignore }),
  );
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('AddressDesk.takeSlot', () => {
  it.for([
    ['a second', request, 1_000],
    // More than a timer can hold.
    ['34 days', { ...request, timeoutMs: 30_000, maxRetry: 99_999 }, 3_000_000_000],
  ] as const)('waits for a slot as long as the call may take, here %s', async ([, call, totalMs]) => {
    const desk = startDesk();
    await desk.takeSlot(call, new CallClock(call));
    let outcome: unknown = 'still waits';
    const second = desk.takeSlot(call, new CallClock(call)).catch((error: unknown) => (outcome = error));
    await pass(totalMs - 1);
    expect(outcome).toBe('still waits');
    await pass(1);
    await second;
    expect(outcome).toMatchObject({ code: 'RPC_TIMEOUT', facts: { attempts: 0, elapsedMs: totalMs } });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('has the slot of a call that ends meanwhile', async () => {
    const desk = startDesk();
    await desk.takeSlot(request, new CallClock(request));
    const second = desk.takeSlot(request, new CallClock(request));
    await pass(999);
    desk.releaseSlot();
    await expect(second).resolves.toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});
