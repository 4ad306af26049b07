import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from '../integration/world.js';
import { ChildProgram } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { createVhost, uniqueName } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import type { WorkerConfig } from './programs/worker.js';
import { report } from './support/measure.js';
import { Tally } from './support/numbered.js';

const TEST = 'test/faults/process-killed.spec.ts';
const WORKER = 'test/faults/programs/worker.ts';
const NUMBERS = 2_000;
const KILLS = 4;

useCompiled(WORKER);

const open = async () => {
  const vhost = await createVhost('killed');
  onTestFinished(() => vhost.delete());
  const peer = await RawPeer.connect(vhost.url);
  onTestFinished(() => peer.close());
  const queue = uniqueName('numbers');
  const start = async (parts: Pick<WorkerConfig, 'prefetch' | 'workMs'>): Promise<ChildProgram> => {
    const config: WorkerConfig = { url: vhost.url, queue, ...parts };
    const worker = new ChildProgram(WORKER, { args: [JSON.stringify(config)] });
    onTestFinished(() => worker.close());
    await worker.ready();
    return worker;
  };
  const send = (number: number): void =>
    peer.publish('', queue, command('number', number), {
      contentType: 'application/json',
      persistent: true,
    });
  return { start, send };
};

const numbersOf = (worker: ChildProgram, event: string): number[] =>
  worker.said(event).map(({ number }) => Number(number));

describe('a process that is killed', () => {
  it('in the middle of a handler gives its message back, and the next one gets it, marked', async () => {
    const { start, send } = await open();
    const first = await start({ prefetch: 1, workMs: 600_000 });
    send(7);
    await first.saying('begun');

    first.signal('SIGKILL');
    expect(await first.exit()).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await start({ prefetch: 1, workMs: 0 });

    expect(await second.saying('handled')).toEqual([{ event: 'handled', number: 7, redelivered: true }]);
  });

  it('again and again loses none of the messages that it had got: the next one handles them', async () => {
    const { start, send } = await open();
    const tally = new Tally();
    let worker = await start({ prefetch: 20, workMs: 2 });
    for (let number = 0; number < NUMBERS; number += 1) send(number);

    for (let kill = 0; kill < KILLS; kill += 1) {
      await worker.saying('handled', NUMBERS / (2 * KILLS));
      worker.signal('SIGKILL');
      await worker.exit();
      numbersOf(worker, 'handled').forEach(tally.note);
      worker = await start({ prefetch: 20, workMs: 2 });
    }
    await worker.until(() => {
      const rest = new Set(numbersOf(worker, 'handled'));
      return tally.missing(NUMBERS).every((number) => rest.has(number));
    }, 'all that is missing');
    numbersOf(worker, 'handled').forEach(tally.note);

    expect(worker.errors.text).not.toContain('Unhandled');
    const { handled, duplicated } = tally;
    const lost = tally.missing(NUMBERS).length;
    report({
      fault: `consuming process killed, ${KILLS} times`,
      test: TEST,
      ...{ sent: NUMBERS, handled, duplicated, lost },
    });
    expect({ handled, lost }).toEqual({ handled: NUMBERS, lost: 0 });
  });
});
