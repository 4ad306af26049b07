import { describe, expect, it } from 'vitest';
import { clockMs } from './clock.js';
import { CountMeter, HoldMeter, LatencyMeter } from './meters.js';
import { closedLoop } from './loads.js';

const PARAMETERS = { text: 'x' };

describe('CountMeter', () => {
  it('takes down the time at each mark, when it is reached', async () => {
    const meter = new CountMeter([2, 4]);
    for (let index = 0; index < 5; index += 1) void meter.handle(PARAMETERS);
    const [begin, end] = [await meter.reached(2), await meter.reached(4)];
    expect([begin.count, end.count]).toEqual([2, 4]);
    expect(end.atMs).toBeGreaterThanOrEqual(begin.atMs);
    expect(end.atMs).toBeLessThanOrEqual(clockMs());
  });

  it('lets one wait for a mark', async () => {
    const meter = new CountMeter([1]);
    const reached = meter.reached(1);
    void meter.handle(PARAMETERS);
    await expect(reached).resolves.toMatchObject({ count: 1 });
  });

  it('lets handlers wait while it holds, counts them, and takes down other marks afterwards', async () => {
    const meter = new CountMeter([]);
    void meter.handle(PARAMETERS);
    expect(meter.hold()).toBe(1);
    const order: string[] = [];
    const waits = Promise.resolve(meter.handle(PARAMETERS)).then(() => order.push('end'));
    await meter.reached(2);
    order.push('release');
    meter.release([3]);
    await waits;
    expect(order).toEqual(['release', 'end']);
    expect(meter.handle(PARAMETERS)).toBeUndefined();
    const handledMs = clockMs();
    const { atMs } = await meter.reached(3);
    expect(atMs).toBeLessThanOrEqual(handledMs);
  });

  it('does not count a message whose parameters nobody has parsed', () => {
    const meter = new CountMeter([1]);
    // What a peer would do that hands out the bytes.
    expect(() => meter.handle(JSON.parse('"text"') as never)).toThrow('without its parameters');
  });
});

describe('LatencyMeter', () => {
  it('gives the quantiles of what came since the last time', async () => {
    const meter = new LatencyMeter();
    for (const agoMs of [50, 10, 20, 30, 40]) void meter.handle({ text: '', sentAtMs: clockMs() - agoMs });
    const { p50Ms, p99Ms } = await meter.take(5);
    expect(p50Ms).toBeGreaterThanOrEqual(30);
    expect(p50Ms).toBeLessThan(p99Ms);
    void meter.handle({ text: '', sentAtMs: clockMs() - 1_000 });
    expect((await meter.take(1)).p50Ms).toBeGreaterThanOrEqual(1_000);
  });
});

describe('HoldMeter', () => {
  it('keeps every handler until all are released', async () => {
    const meter = new HoldMeter();
    const order: string[] = [];
    const ends = [1, 2].map(async (message) => {
      await meter.handle(PARAMETERS);
      order.push(`end ${message}`);
    });
    await meter.reached(2);
    order.push('release');
    meter.release();
    await Promise.all(ends);
    expect(order).toEqual(['release', 'end 1', 'end 2']);
    expect(meter.handle(PARAMETERS)).toBeUndefined();
  });
});

describe('closedLoop', () => {
  it('has so many under way at a time, and ends with the last of them', async () => {
    let running = 0;
    let most = 0;
    const once = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
    };
    const { count } = await closedLoop(once, { inFlight: 7, count: 50, parameterBytes: 100 });
    expect([count, most, running]).toEqual([50, 7, 0]);
  });

  it('fails when one of them does', async () => {
    const once = (): Promise<void> => Promise.reject(new Error('refused'));
    await expect(closedLoop(once, { inFlight: 1, count: 1, parameterBytes: 100 })).rejects.toThrow('refused');
  });
});
