import { setTimeout } from 'node:timers/promises';
import { Ctx } from '@nestjs/microservices';
import {
  CallAbandonedError,
  ConnectionError,
  PostageContext,
  Processor,
  RpcHandler,
  type Driver,
  type Link,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import {
  Asker,
  attempt,
  Gate,
  lastingQueue,
  only,
  resultIn,
  serve,
  type Doing,
  type Served,
} from './rpc-once-asker.js';
import { useRpcWorld } from './rpc-world.js';
import { byName, Events, exception, success } from './world.js';

const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };

/** Why it fires, once it does. */
const reasonOf = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });

const down = new RangeError('the disk is full');

const within = (remainingMs: unknown) => ({ headers: { 'postage-remaining-ms': remainingMs } });

describe.each(TEST_BROKERS)('the context of a call on $broker', ({ broker, open }) => {
  const world = useRpcWorld(open);

  interface Watched extends Served {
    readonly contexts: Inbox<PostageContext>;
    /** What a handler sees when it begins. */
    readonly remaining: Inbox<number | undefined>;
    readonly reasons: Inbox<unknown>;
    readonly gate: Gate;
  }

  /** Its handler waits for its signal, or for the test to let it go on. */
  const watching = async (drainTimeoutMs = 10_000): Promise<Watched> => {
    const contexts = new Inbox<PostageContext>();
    const [remaining, reasons, gate] = [new Inbox<number | undefined>(), new Inbox<unknown>(), new Gate()];
    const watch = async (_parameters: unknown, context: PostageContext): Promise<string> => {
      remaining.push(context.remainingMs);
      const reason = reasonOf(context.signal).then(reasons.push);
      contexts.push(context);
      await Promise.race([gate.passed(), reason]);
      return 'done';
    };
    const served = await serve(world, watch, { reconnect, drainTimeoutMs });
    return { ...served, contexts, remaining, reasons, gate };
  };

  /** Somebody who calls it; once somebody has had an answer, the connection for answers is open. */
  const askerOf = async ({ queue }: Served): Promise<Asker> => {
    const asker = await Asker.of(world);
    await asker.repliesUntilMark(queue);
    return asker;
  };

  /** Cuts the connections of a server, and waits until it has new ones. */
  const cut = async ({ events }: Served): Promise<void> => {
    const ready = events.of('connection.ready');
    const before = ready.items.length;
    world.broker.cut();
    await ready.take(before + 2);
  };

  describe('remainingMs', () => {
    it('is what the caller will still wait, all attempts together', async () => {
      const { queue, remaining, contexts, gate } = await watching();
      const calls = (await world.caller()).to(queue, { timeoutMs: 20_000, maxRetry: 2 });
      const result = calls.rpc('go');
      const [atFirst] = await remaining.take(1);
      const context = only(await contexts.take(1));
      expect(atFirst).toBeLessThanOrEqual(60_000);
      expect(atFirst).toBeGreaterThan(50_000);
      await eventually(() => expect(context.remainingMs).toBeLessThan(atFirst ?? 0));
      gate.open();
      expect((await result).unwrap()).toBe('done');
    });

    it('is undefined where the caller does not tell', async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue);
      expect(await served.remaining.take(1)).toEqual([undefined]);
      expect(only(await served.contexts.take(1)).signal.aborted).toBe(false);
      served.gate.open();
    });

    it.each<[string, unknown]>([
      ['a text', '500'],
      ['nothing', null],
      ['zero', 0],
      ['less than nothing', -200],
      ['a truth', true],
      ['a list', [500]],
      ['a table', { ms: 500 }],
    ])('is undefined where the header holds %s: %j', async (_what, header) => {
      const served = await watching();
      const asker = await askerOf(served);
      served.gate.open();
      asker.ask(served.queue, within(header));
      expect(await served.remaining.take(1)).toEqual([undefined]);
      expect((await asker.replies.take(2)).map((reply) => resultIn(reply).value)).toEqual([null, 'done']);
      expect(served.reasons.items).toEqual([]);
    });

    it.each([
      ['more than a timer can wait', 1e12],
      ['a fraction', 90_000.5],
    ])('is what the caller says in whole milliseconds, also %s', async (_what, header) => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue, within(header));
      const [remaining] = await served.remaining.take(1);
      expect(remaining).toBe(Math.ceil(remaining ?? Number.NaN));
      expect(remaining).toBeLessThanOrEqual(Math.ceil(header));
      expect(remaining).toBeGreaterThan(header - 10_000);
      served.gate.open();
      await served.atRest();
      expect(served.reasons.items).toEqual([]);
    });

    it('comes down to 0, and no further; a signal asked for then has fired', async () => {
      const seen = new Inbox<unknown>();
      const { queue } = await serve(world, async (_parameters, context) => {
        await eventually(() => expect(context.remainingMs).toBe(0));
        const { signal } = context;
        seen.push([context.remainingMs, signal.aborted, signal.reason]);
      });
      (await Asker.of(world)).ask(queue, within(150));
      const [, aborted, reason] = only(await seen.take(1)) as unknown[];
      expect(aborted).toBe(true);
      expect(reason).toBeInstanceOf(CallAbandonedError);
    });
  });

  /** A call to where nobody answers, which ends with the signal. */
  const callOfOurs = async (signal: AbortSignal): Promise<unknown> => {
    const [queue, peer] = [uniqueName('mute'), await world.peer()];
    await peer.declare(queue);
    return (await world.caller()).to(queue, { signal }).rpc('ask');
  };

  describe('the signal', () => {
    it("fires at the caller's deadline; what the handler then says reaches nobody", async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue, { ...within(200), correlationId: 'too late' });

      const [reason] = await served.reasons.take(1);

      expect(reason).toBeInstanceOf(CallAbandonedError);
      expect(reason).toMatchObject({ code: 'CALL_ABANDONED' });
      const [undeliverable] = await served.events.of('reply.undeliverable').take(1);
      expect(undeliverable).toMatchObject({ at: { queue: served.queue } });
      expect(undeliverable?.error).toBeInstanceOf(CallAbandonedError);
      await served.atRest();
      const replies = await asker.repliesUntilMark(served.queue);
      expect(replies.map(({ properties }) => properties.correlationId)).not.toContain('too late');
    });

    it('fires not before a caller of ours has used all its attempts', async () => {
      const { queue, reasons, contexts, events } = await watching();
      const caller = await world.connectedCaller();
      const call = caller.to(queue, { timeoutMs: 300, maxRetry: 4 }).rpc('go');
      const { signal } = only(await contexts.take(1));
      await events.of('call.repeated').take(2);
      expect(signal.aborted).toBe(false);
      expect(await call).toMatchObject({ type: 'exception', value: 'TimeoutError' });
      expect(await reasons.take(1)).toMatchObject([{ code: 'CALL_ABANDONED' }]);
      expect(contexts.items).toHaveLength(1);
    });

    it('fires when the connection that the answer needs is lost; a new one takes the answer all the same', async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue, { correlationId: 'mine' });
      await served.contexts.take(1);

      world.broker.cut();

      const [reason] = await served.reasons.take(1);
      expect(reason).toBeInstanceOf(ConnectionError);
      expect(reason).toMatchObject({ code: 'CONNECTION_LOST' });
      const [, reply] = await asker.replies.take(2);
      expect(reply?.properties.correlationId).toBe('mine');
      expect(reply && resultIn(reply)).toEqual(success('done'));
    });

    it('fires when the application has closed, and the handler has taken longer than it may', async () => {
      const served = await watching(100);
      const asker = await askerOf(served);
      asker.ask(served.queue);
      const { signal } = only(await served.contexts.take(1));

      const closed = served.app.close();
      expect(signal.aborted).toBe(false);
      await closed;

      const [reason] = await served.reasons.take(1);
      expect(reason).toBeInstanceOf(ConnectionError);
      expect(reason).toMatchObject({ code: 'CONNECTION_CLOSED' });
      expect(served.events.of('warning').items).toMatchObject([
        { text: expect.stringContaining('handler(s) still run') as string },
      ]);
    });

    it('fires when the application has closed, also where nothing was ever sent', async () => {
      const served = await watching(100);
      (await Asker.of(world)).ask(served.queue);
      await served.contexts.take(1);
      await served.app.close();
      expect(await served.reasons.take(1)).toMatchObject([{ code: 'CONNECTION_CLOSED' }]);
    });

    it('does not fire in a run that ends in time, nor after it', async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue, within(2_000));
      const context = only(await served.contexts.take(1));
      served.gate.open();
      expect(resultIn(only((await asker.replies.take(2)).slice(1)))).toEqual(success('done'));
      await served.atRest();
      await eventually(() => expect(context.remainingMs).toBe(0));
      await cut(served);
      await served.app.close();
      expect(context.signal.aborted).toBe(false);
      expect(served.reasons.items).toEqual([]);
    });

    it('is one signal, of this call alone', async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.ask(served.queue, within(150));
      asker.ask(served.queue, within(600_000));
      const [first, second] = await served.contexts.take(2);
      await served.reasons.take(1);
      expect(first?.signal).toBe(first?.signal);
      expect([first?.signal.aborted, second?.signal.aborted]).toEqual([true, false]);
      served.gate.open();
    });

    it.each<[string, (signal: AbortSignal) => Promise<unknown>, 'handler.aborted' | 'handler.failed']>([
      ['its reason', (signal) => reasonOf(signal).then(() => signal.throwIfAborted()), 'handler.aborted'],
      ['what Node makes of it', (signal) => setTimeout(60_000, 0, { signal }), 'handler.aborted'],
      ['what a call of ours makes of it', (signal) => callOfOurs(signal), 'handler.aborted'],
      ['something else', (signal) => reasonOf(signal).then(() => Promise.reject(down)), 'handler.failed'],
    ])('makes a handler throw %s, which is told from a failure', async (_what, work, kind) => {
      const served = await serve(world, (_parameters, { signal }) => work(signal));
      const asker = await Asker.of(world);
      asker.ask(served.queue, within(100));
      expect(await served.events.of(kind).take(1)).toMatchObject([{ handler: 'Server.go' }]);
      const other = kind === 'handler.failed' ? 'handler.aborted' : 'handler.failed';
      await served.atRest();
      expect(served.events.of(other).items).toEqual([]);
      expect(await asker.repliesUntilMark(served.queue)).toEqual([]);
    });

    it('lets a handler give up when the connection is lost: the request, delivered again, runs again', async () => {
      const runs = new Inbox<number>();
      const work: Doing = async (_parameters, { signal }) => {
        runs.push(runs.items.length);
        if (runs.items.length === 1) await setTimeout(60_000, 0, { signal });
        return `run ${runs.items.length}`;
      };
      const served = await serve(world, work, { reconnect });
      const queue = await lastingQueue(served);
      const asker = await askerOf({ ...served, queue });
      asker.ask(queue, attempt('call-1'));
      await runs.take(1);
      await cut(served);
      const [, reply] = await asker.replies.take(2);
      expect(reply && resultIn(reply)).toEqual(success('run 2'));
    });

    it.runIf(broker === 'MemoryBroker')(
      'does not make a request run over and over as long as there is no connection for its answer',
      async () => {
        const [runs, events, publishing] = [new Inbox<number>(), new Events(), new Set<Link>()];
        let isRefused = false;
        const connection: Driver = {
          connect: async (request) => {
            const isPublishing = request.connectionName.endsWith('(publish)');
            if (isPublishing && isRefused) throw new Error('no connection for answers');
            const link = await (world.broker.connection as Driver).connect(request);
            if (isPublishing) publishing.add(link);
            return link;
          },
        };
        const queue = uniqueName('no-way-back');
        @Processor({ eqk: byName(queue) })
        class Server {
          @RpcHandler('command', 'go')
          async go(@Ctx() { signal }: PostageContext): Promise<string> {
            runs.push(runs.items.length);
            if (isRefused) signal.throwIfAborted();
            if (runs.items.length === 2) await setTimeout(60_000, 0, { signal });
            return `run ${runs.items.length}`;
          }
        }
        const app = await startReceiver({ connection, reconnect, observer: events.observe }, [Server]);
        world.atEnd(() => app.close());
        const asker = await Asker.of(world);
        asker.ask(queue, attempt('call-1'));
        await asker.first();
        asker.ask(queue, attempt('call-2'));
        await runs.take(2);

        isRefused = true;
        for (const link of publishing) void link.close();
        await events.of('connection.failed').take(5);

        expect(runs.items.length).toBeLessThan(10);
        isRefused = false;
        const [, reply] = await asker.replies.take(2);
        expect(reply && resultIn(reply)).toMatchObject({ type: 'success' });
      },
    );

    it('that has not fired makes nothing of an AbortError: it is a failure, and is answered', async () => {
      const { queue, events } = await serve(world, (_parameters, { signal }) => {
        throw new DOMException(String(signal.aborted), 'AbortError');
      });
      const asker = await Asker.of(world);
      asker.ask(queue, within(60_000));
      expect(resultIn(await asker.first())).toEqual(exception('DOMException', 'false'));
      expect(events.of('handler.failed').items).toHaveLength(1);
    });
  });

  describe('of a message, which nobody waits for,', () => {
    it('has no deadline, and its signal ignores a lost connection', async () => {
      const served = await watching();
      const asker = await askerOf(served);
      asker.note(served.queue);
      const context = only(await served.contexts.take(1));
      await cut(served);
      expect([context.category, context.remainingMs]).toEqual(['message', undefined]);
      expect(context.signal.aborted).toBe(false);
      served.gate.open();
      await served.atRest();
      expect(served.reasons.items).toEqual([]);
    });

    it('has no deadline either where a header tells one', async () => {
      const served = await watching();
      served.gate.open();
      (await Asker.of(world)).note(served.queue, within(60_000));
      expect(await served.remaining.take(1)).toEqual([undefined]);
    });

    it('has a signal that fires when the application has closed', async () => {
      const served = await watching(100);
      (await Asker.of(world)).note(served.queue);
      await served.contexts.take(1);
      await served.app.close();
      expect(await served.reasons.take(1)).toMatchObject([{ code: 'CONNECTION_CLOSED' }]);
    });
  });
});
