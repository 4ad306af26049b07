import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ChildProgram, type Said } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { report } from './support/measure.js';
import type { FloodConfig } from './programs/flood.js';

const TEST = 'test/faults/flood.spec.ts';
const PROGRAM = 'test/faults/programs/flood.ts';
const COUNT = 200_000;
/** Twice what the waiting messages need by themselves; node would end the program beyond it. */
const HEAP_MEGABYTES = 640;

useCompiled(PROGRAM);
let vhost: Vhost;
let peer: RawPeer;

beforeEach(async () => {
  vhost = await createVhost('flood');
  peer = await RawPeer.connect(vhost.url);
  await peer.channel.assertExchange('flood', 'fanout');
  await peer.channel.assertQueue('flood');
  await peer.channel.bindQueue('flood', 'flood', '');
});

afterEach(async () => {
  await peer.close();
  await vhost.delete();
});

const flood = async (config: Omit<FloodConfig, 'url' | 'count'> = {}): Promise<Said> => {
  const nodeArgs = ['--unhandled-rejections=strict', `--max-old-space-size=${HEAP_MEGABYTES}`];
  // All of them together: the machine may be slow.
  const publishTimeoutMs = 110_000;
  const all: FloodConfig = { url: vhost.url, count: COUNT, publishTimeoutMs, ...config };
  const args = [JSON.stringify(all)];
  const child = new ChildProgram(PROGRAM, { args, nodeArgs });
  onTestFinished(() => child.close());
  await child.until(() => child.said('settled').length > 0, 'the end of all', 110_000);
  const [settled] = child.said('settled');
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  if (!settled) throw new Error('it said nothing');
  return settled;
};

describe('200,000 messages that nobody awaits', () => {
  it('are all confirmed, within a bounded heap', async () => {
    const { outcomes, waitingPublishes, pendingPublishes, waitingBytes, peakMegabytes, elapsedMs } =
      await flood();
    expect(outcomes).toEqual({ confirmed: COUNT });
    expect(Number(waitingPublishes)).toBeGreaterThan(COUNT / 2);
    expect([pendingPublishes, waitingBytes]).toEqual([0, 0]);
    expect((await peer.channel.checkQueue('flood')).messageCount).toBe(COUNT + 1);
    const facts = { sent: COUNT, handled: COUNT, duplicated: 0, lost: 0 };
    const measured = { 'peak heap (MB)': Number(peakMegabytes), 'confirmed within (ms)': Number(elapsedMs) };
    report({ fault: '200,000 un-awaited publishes', test: TEST, ...facts, ...measured });
  });

  it('beyond what may wait fail at once, and all others are confirmed', async () => {
    const { outcomes, waitingPublishes, peakMegabytes } = await flood({ publishing: { maxWaiting: 10_000 } });
    const { confirmed = 0, BUFFER_FULL: refused = 0 } = outcomes as Record<string, number>;
    expect(waitingPublishes).toBe(10_000);
    expect(refused).toBeGreaterThan(COUNT / 2);
    expect(confirmed + refused).toBe(COUNT);
    expect((await peer.channel.checkQueue('flood')).messageCount).toBe(confirmed + 1);
    const facts = { sent: confirmed, 'buffer full': refused, 'peak heap (MB)': Number(peakMegabytes) };
    report({ fault: '200,000 un-awaited publishes, 10,000 may wait', test: TEST, ...facts });
  });
});
