import {
  GenericConsumer,
  PostageConnection,
  PostageHealthIndicator,
  PostageState,
  type PostageSnapshot,
} from 'nestjs-postage';
import { onTestFinished, expect, it } from 'vitest';
import { numbers, processorOf, Work } from '../integration/pause-world.js';
import { byName, command, Events } from '../integration/world.js';
import { startReceiver } from '../support/apps.js';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { faultNode } from './support/fault-node.js';

const LIMIT_MS = 60_000;
const node = faultNode();

/** Both connections and the readiness, in a few words; repetitions once. */
const storyOf = (snapshots: readonly PostageSnapshot[]): string[] => {
  const told = snapshots.map(({ phase, ready, connections }) => {
    const [publishing, consuming] = [connections.publishing, connections.consuming].map((status) => {
      if (status.kind === 'connecting' || status.kind === 'waiting') return 'away';
      return status.kind === 'ready' && status.blocked ? 'blocked' : status.kind;
    });
    return `${phase}: ${publishing}, ${consuming}${ready ? ', ready' : ''}`;
  });
  return told.filter((line, index) => line !== told[index - 1]);
};

const start = async (url: string) => {
  const [queue, work, events] = [uniqueName('state'), new Work(), new Events()];
  work.isQuick = true;
  const seen: PostageSnapshot[] = [];
  const worker = processorOf(work, { eqk: byName(queue) });
  const reconnect = { initialDelayMs: 50, maxDelayMs: 500 };
  const options = { connection: { url }, reconnect, observer: events.observe };
  const app = await startReceiver(options, [worker], {}, (made) => {
    onTestFinished(() => made.close());
    made.get(PostageState).changes.subscribe((snapshot) => seen.push(snapshot));
  });
  const [state, consumer] = [app.get(PostageState), app.get(GenericConsumer)];
  const [connection, health] = [app.get(PostageConnection), app.get(PostageHealthIndicator)];
  await connection.connectPublisher();
  return { app, queue, work, seen, state, consumer, connection, health };
};

it('the state tells of an alarm and its end, while consumers go on, and of a node that is killed and comes back', async () => {
  const vhost = await node.vhost();
  const { app, queue, work, seen, state, consumer, connection, health } = await start(vhost.url);
  await consumer.pause();
  const peer = await RawPeer.connect(vhost.url);
  for (const id of numbers(20)) peer.publish('', queue, command('go', id), { deliveryMode: 2 });
  await eventually(async () =>
    expect(await peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 20 }),
  );

  await node.ctl('set_vm_memory_high_watermark', 'absolute', '1024');
  const beforeMs = Date.now();
  // A broker tells those that publish.
  const content = Buffer.from(JSON.stringify(command('go', 21)));
  const published = connection.publish({
    message: { exchange: '', routingKey: queue, content, properties: { messageId: 'm' }, mandatory: true },
    topology: { exchanges: [], queues: [], bindings: [] },
    deadlineMs: LIMIT_MS,
  });
  await eventually(
    () => expect(state.snapshot.connections.publishing).toHaveProperty('blocked.reason'),
    LIMIT_MS,
  );
  const { publishing } = state.snapshot.connections;
  expect(publishing).toMatchObject({
    kind: 'ready',
    blocked: { reason: expect.stringContaining('memory') as string },
  });
  expect(publishing.kind === 'ready' && publishing.blocked?.sinceMs).toBeGreaterThanOrEqual(beforeMs);
  expect(state.snapshot).toMatchObject({ ready: true, publishing: { pending: 1 } });
  expect(await health.isReady()).toMatchObject({
    postage: { status: 'up', blocked: expect.stringContaining('memory') as string, paused: [queue] },
  });

  // Consumers do not publish: they are not blocked.
  await consumer.resume();
  await work.ended.take(20, LIMIT_MS);
  expect(state.snapshot.publishing.pending).toBe(1);
  await node.clearMemoryAlarm();
  await published;
  await work.ended.take(21, LIMIT_MS);
  await eventually(() => expect(state.snapshot.connections.publishing).not.toHaveProperty('blocked.reason'));

  await peer.close();
  await node.kill();
  await eventually(() => expect(state.snapshot.connections.consuming.kind).toBe('waiting'), LIMIT_MS);
  const { consuming } = state.snapshot.connections;
  expect(consuming.kind === 'waiting' && consuming.error).toMatch(/ECONNREFUSED|closed|reset/i);
  expect(JSON.stringify(state.snapshot)).not.toContain('guest:guest');
  expect(await health.isReady()).toMatchObject({ postage: { status: 'down', missing: [queue] } });
  expect(await health.isAlive()).toMatchObject({ postage: { status: 'up' } });
  await node.restart();
  await eventually(() => expect(state.snapshot.ready).toBe(true), LIMIT_MS);
  await app.close();

  expect(storyOf(seen)).toEqual([
    'idle: idle, idle',
    'starting: idle, idle',
    'starting: idle, away',
    'starting: idle, ready',
    'running: idle, ready, ready',
    'running: away, ready, ready',
    'running: ready, ready, ready',
    'running: blocked, ready, ready',
    'running: ready, ready, ready',
    // The two connections are lost, and come back, in whichever order.
    ...storyOf(seen).slice(9, -5),
    'running: ready, ready, ready',
    'draining: ready, ready',
    'draining: ready, closed',
    'draining: closed, closed',
    'closed: closed, closed',
  ]);
  expect(storyOf(seen).slice(9, -5)).toContain('running: away, away');
  await vhost.delete();
});
