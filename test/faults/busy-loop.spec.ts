import { expect, it, onTestFinished } from 'vitest';
import { ChildProgram } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { createVhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { report } from './support/measure.js';

const PROGRAM = 'test/faults/programs/busy.ts';
useCompiled(PROGRAM);

const message = (parameters: unknown): object => {
  const head = { type: 'command', name: 'compute', category: 'message', version: '2' };
  return { ...head, fingerprint: {}, content: { parameters }, _reserved: {} };
};

it('a program that answers no heartbeats for five intervals loses its connection, says why, and comes back', async () => {
  await using vhost = await createVhost('busy');
  const connection = { url: vhost.url, heartbeatSeconds: 1 };
  const child = new ChildProgram(PROGRAM, { args: [JSON.stringify(connection)] });
  onTestFinished(() => child.close());
  await child.saying('consumer.attached');
  await using peer = await RawPeer.connect(vhost.url);

  peer.publish('', 'jobs', message(5_000));
  await child.saying('connection.lost');
  const lostMs = performance.now();
  const [{ text } = { text: '' }] = await child.saying('warning');
  expect(text).toContain('the event loop of this process stood still for');
  await child.saying('consumer.attached', 2);
  peer.publish('', 'jobs', message(0));
  await child.until(() => child.said('computed').some(({ forMs }) => forMs === 0), 'the next job');
  const resumeMs = performance.now() - lostMs;

  expect(child.errors.text).toBe('');
  child.signal('SIGTERM');
  await child.exit();
  report({
    fault: 'event loop blocked for 5 s, heartbeat 1 s',
    test: 'test/faults/busy-loop.spec.ts',
    resumeMs,
  });
});
