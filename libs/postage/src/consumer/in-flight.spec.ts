import { describe, expect, it } from 'vitest';
import { InFlight } from './in-flight.js';

describe('InFlight', () => {
  it('counts, and waits for nobody when nothing runs', async () => {
    const inFlight = new InFlight();
    expect([inFlight.count, await inFlight.untilIdle(60_000)]).toEqual([0, 0]);
  });

  it('waits for the last one, whoever asks', async () => {
    const inFlight = new InFlight();
    inFlight.begin();
    inFlight.begin();
    const waiting = Promise.all([inFlight.untilIdle(60_000), inFlight.untilIdle(60_000)]);
    inFlight.end();
    expect(inFlight.count).toBe(1);
    inFlight.end();
    expect(await waiting).toEqual([0, 0]);
  });

  it('tells how many still run when the limit is over, and can wait again', async () => {
    const inFlight = new InFlight();
    inFlight.begin();
    expect(await inFlight.untilIdle(1)).toBe(1);
    const waiting = inFlight.untilIdle(60_000);
    inFlight.end();
    expect(await waiting).toBe(0);
  });
});
