import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  defineExchange,
  InjectPostageState,
  PostageConnection,
  PostageModule,
  PostageServer,
  PostageState,
  type Eqk,
  type PostageSnapshot,
} from 'nestjs-postage';
import { MemoryBroker } from 'nestjs-postage/testing';
import { map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { processorOf, usePauseWorld, Work } from './pause-world.js';
import { byName, Events } from './world.js';

/** What changes in the course of a test, in a few words; repetitions, as of attempts to connect, once. */
const storyOf = (snapshots: readonly PostageSnapshot[]): string[] => {
  const told = snapshots.map(({ phase, ready, connections: { consuming }, consumers }) => {
    const [queue] = consumers;
    const consumer = queue?.paused ? 'paused' : queue?.attached ? 'attached' : 'not attached';
    const isAway = consuming.kind === 'connecting' || consuming.kind === 'waiting';
    return [
      phase,
      isAway ? 'away' : consuming.kind,
      queue ? consumer : 'none',
      ready ? 'ready' : 'not ready',
    ].join(', ');
  });
  return told.filter((line, index) => line !== told[index - 1]);
};

/** What is left without that which every message changes. */
const changing = ({ rpc: _rpc, publishing: _publishing, consumers, ...rest }: PostageSnapshot): string =>
  JSON.stringify([rest, consumers.map((each) => ({ ...each, inFlight: 0, unhandled: 0 }))]);

describe.each(TEST_BROKERS)('the state of an application on $broker', ({ open }) => {
  const world = usePauseWorld(open);

  /** An application with one queue, whose changes are written down from before its start. */
  const start = async (eqkOf: (queue: string) => Eqk = byName) => {
    const [queue, work] = [uniqueName('state'), new Work()];
    work.isQuick = true;
    const seen: PostageSnapshot[] = [];
    const end = { isComplete: false };
    const worker = processorOf(work, { eqk: eqkOf(queue), prefetch: 7 });
    const started = await world.start([worker], { fingerprint: { name: 'state' } }, (app) => {
      const { changes } = app.get(PostageState);
      changes.subscribe({ next: (snapshot) => seen.push(snapshot), complete: () => (end.isComplete = true) });
    });
    return { queue, work, worker, seen, end, state: started.app.get(PostageState), ...started };
  };

  it('goes from idle to closed, with a change for each step, and completes', async () => {
    const { app, seen, end, events, consumer } = await start();
    await world.reconnect(events);
    await consumer.pause();
    await world.reconnect(events);
    await consumer.resume();
    await app.close();

    expect(storyOf(seen)).toEqual([
      'idle, idle, none, not ready',
      'starting, idle, none, not ready',
      'starting, away, not attached, not ready',
      'starting, away, attached, not ready',
      'starting, ready, attached, not ready',
      'running, ready, attached, ready',
      'running, ready, not attached, not ready',
      'running, away, not attached, not ready',
      'running, away, attached, not ready',
      'running, ready, attached, ready',
      'running, ready, paused, ready',
      'running, away, paused, not ready',
      'running, ready, paused, ready',
      'running, ready, attached, ready',
      'draining, ready, attached, not ready',
      'draining, closed, not attached, not ready',
      'closed, closed, not attached, not ready',
    ]);
    expect(end.isComplete).toBe(true);
    const told = seen.map(changing);
    expect(told.filter((text, index) => text === told[index - 1])).toEqual([]);
  });

  it('is plain data: frozen, and the same after JSON', async () => {
    const { queue, state, work, app } = await start();
    world.send(queue, 1);
    await work.ended.take(1);
    await app.get(PostageConnection).connectPublisher();
    const { snapshot } = state;
    expect(snapshot).toMatchObject({
      phase: 'running',
      ready: true,
      connections: {
        publishing: { kind: 'ready', sinceMs: expect.any(Number) as number },
        consuming: { kind: 'ready', address: expect.not.stringContaining('guest') as string },
      },
      consumers: [{ queue, attached: true, paused: false, prefetch: 7, unhandled: 0 }],
      topology: { exchanges: [], queues: [queue], bindings: 0 },
      rpc: { pending: 0, waiting: 0, replyQueues: 0 },
      publishing: { pending: 0 },
    });
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    const parts = [snapshot, snapshot.connections.consuming, snapshot.consumers, snapshot.consumers[0]];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });

  it('is told to whoever subscribes late, and to whoever comes after the end', async () => {
    const { app, state } = await start();
    const late: PostageSnapshot[] = [];
    const subscription = state.changes.subscribe((snapshot) => late.push(snapshot));
    expect(late).toMatchObject([{ phase: 'running', ready: true }]);
    subscription.unsubscribe();
    await app.close();
    const after: unknown[] = [];
    state.changes.subscribe({
      next: ({ phase }) => after.push(phase),
      complete: () => after.push('complete'),
    });
    expect([late.length, after]).toEqual([1, ['closed', 'complete']]);
  });

  it('does not change with every message', async () => {
    const { queue, work, seen } = await start();
    const before = seen.length;
    world.send(queue, 1, 2, 3);
    await work.ended.take(3);
    await world.waits(queue, 0);
    expect(seen.length).toBe(before);
  });

  it('is not ready while a consumer can not be put back, and is again when it can', async () => {
    const exchange = defineExchange({ name: uniqueName('x') });
    const { queue, state, events, seen } = await start((name) => [[exchange, [[name, 'key']]]]);
    // It can not be bound again.
    await world.peer.deleteExchange(exchange.name);
    await world.peer.deleteQueue(queue);
    await eventually(() => expect(events.of('internal.failure').items.length).toBeGreaterThan(0));
    expect(state.snapshot).toMatchObject({
      phase: 'running',
      ready: false,
      connections: { consuming: { kind: 'ready' } },
      consumers: [{ queue, attached: false, paused: false }],
    });
    await world.peer.declareExchange(exchange);
    await eventually(() => expect(state.snapshot.ready).toBe(true));
    expect(storyOf(seen).slice(-2)).toEqual([
      'running, ready, not attached, not ready',
      'running, ready, attached, ready',
    ]);
  });

  it('of a server without a module is there, too', async () => {
    const { connection } = world.broker;
    const server = new PostageServer({ connection, eqk: byName(uniqueName('alone')), log: false });
    @Module({ controllers: [processorOf(new Work(), {})] })
    class App {}
    const app = await NestFactory.createMicroservice(App, { strategy: server, logger: false });
    expect(server.state.snapshot).toMatchObject({ phase: 'idle', ready: false });
    await app.listen();
    expect(server.state.snapshot).toMatchObject({ phase: 'running', ready: true });
    await app.close();
    expect(server.state.snapshot.phase).toBe('closed');
  });
});

describe('the state of a program that only sends', () => {
  const open = async (broker: MemoryBroker | (() => never)) => {
    @Module({
      imports: [
        PostageModule.forRoot({ connection: new MemoryBroker(), log: false }),
        PostageModule.forRoot({
          name: 'second',
          connection: broker,
          log: false,
          reconnect: { initialDelayMs: 1, maxDelayMs: 5 },
        }),
      ],
    })
    class App {
      constructor(
        readonly first: PostageState,
        @InjectPostageState('second') readonly second: PostageState,
      ) {}
    }
    const app = await NestFactory.createApplicationContext(App, { logger: false, abortOnError: false });
    const connection = app.get<PostageConnection>('postage connection (second)');
    const { first, second } = app.get(App);
    return { app, connection, first, second };
  };

  it('is ready before it sends, opens nothing for that, and is not ready while its connection is away', async () => {
    const broker = new MemoryBroker();
    const { app, connection, first, second } = await open(broker);
    expect([first.snapshot.ready, second.snapshot.ready, broker.snapshot().links]).toEqual([true, true, []]);

    await connection.connectPublisher();
    expect(second.snapshot).toMatchObject({ phase: 'idle', ready: true });
    broker.refuseConnections(new Error('not now'));
    broker.disconnectAll();
    await eventually(() => expect(second.snapshot.connections.publishing.kind).toBe('waiting'));
    expect(second.snapshot).toMatchObject({
      ready: false,
      connections: {
        publishing: {
          attempt: expect.any(Number) as number,
          error: expect.stringContaining('not now') as string,
        },
      },
    });
    broker.refuseConnections(undefined);
    await eventually(() => expect(second.snapshot.ready).toBe(true));
    expect(first.snapshot.connections.publishing.kind).toBe('idle');
    await app.close();
    expect([first.snapshot.ready, second.snapshot.ready]).toEqual([false, false]);
  });

  it('holds no password, whatever an error says', async () => {
    const { app, connection, second } = await open(() => {
      throw new Error('can not reach amqp://user:pass/w:rd@host/v, nor amqps://u:secret2@host');
    });
    void connection.connectPublisher().catch(() => undefined);
    await eventually(() => expect(second.snapshot.connections.publishing.kind).toBe('waiting'));
    const text = JSON.stringify(second.snapshot);
    expect(text).toContain('amqp://***@host/v, nor amqps://***@host');
    expect(text).not.toMatch(/pass\/w|secret2/);
    await app.close();
  });
});

describe('a subscriber of the state that throws', () => {
  const unhandled = useUnhandledRejections();

  it('harms nobody: not the process, not other subscribers, not itself', async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    process.on('uncaughtException', note);
    const events = new Events();
    const connection = new MemoryBroker();
    const server = new PostageServer({ connection, eqk: byName('q'), log: false, observer: events.observe });
    @Module({ controllers: [processorOf(new Work(), {})] })
    class App {}
    const app = await NestFactory.createMicroservice(App, { strategy: server, logger: false });
    const { changes } = server.state;
    // Whoever calls it does not know that it is asynchronous.
    const later = (): unknown => Promise.reject(new Error('asynchronous'));
    const [seen, thrower]: [string[], string[]] = [[], []];
    changes.subscribe(({ phase }) => {
      thrower.push(phase);
      throw new Error('next');
    });
    changes.subscribe({
      next: later,
      complete: () => {
        throw new Error('complete');
      },
    });
    const explode = (): never => {
      throw new Error('operator');
    };
    changes.pipe(map(explode)).subscribe(() => undefined);
    changes.pipe(map(({ phase }) => phase)).subscribe((phase) => seen.push(phase));
    await app.listen();
    await app.close();
    // What RxJS throws where nobody can catch it, it throws in a timer.
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('uncaughtException', note);

    expect([new Set(seen), new Set(thrower)]).toEqual([PHASES, PHASES]);
    const told = events.of('internal.failure').items;
    expect(new Set(told.map(({ error }) => (error as Error).message))).toEqual(
      new Set(['next', 'asynchronous', 'complete', 'operator']),
    );
    expect(new Set(told.map(({ where }) => where))).toEqual(new Set(['a subscriber of the state']));
    expect([unhandled, uncaught]).toEqual([[], []]);
  });

  const PHASES = new Set(['idle', 'starting', 'running', 'draining', 'closed']);
});
