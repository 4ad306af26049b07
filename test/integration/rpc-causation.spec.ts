import { Ctx } from '@nestjs/microservices';
import {
  DEFAULT_EXCHANGE,
  InjectProducer,
  MessageHandler,
  Parameters,
  PostageClient,
  PostageConnection,
  PostageContext,
  RpcHandler,
  type Handler,
  type ProducerOf,
} from 'nestjs-postage';
import { concat, defer, firstValueFrom, mergeMap, of, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type PeerMessage } from '../support/test-brokers.js';
import { Asker, only } from './rpc-once-asker.js';
import { Caller, echoing, parametersOf, replyToOf, resultBytes, useRpcWorld } from './rpc-world.js';

type Calls = ProducerOf<Caller>;
/** What a handler does with what it may send with. */
type Relaying = (calls: Calls, parameters: unknown, context: PostageContext) => unknown;

const CORRELATION = 'postage-correlation-id';
const CAUSATION = 'postage-causation-id';

/** What a message says of how it came about. */
const causeOf = ({ properties: { headers = {} } }: PeerMessage): unknown[] => [
  headers[CORRELATION],
  headers[CAUSATION],
];
const namesOf = ({ properties: { headers = {} } }: PeerMessage): string[] => Object.keys(headers);

describe.each(TEST_BROKERS)('what is sent on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** Where all that is sent ends: a peer that answers every rpc, and what came to it. */
  const sink = async () => {
    const [queue, peer, came] = [uniqueName('sink'), await world.peer(), new Inbox<PeerMessage>()];
    await peer.serve(queue, (message) => {
      came.push(message);
      if (message.properties.replyTo !== undefined)
        peer.send(replyToOf(message), resultBytes('here'), echoing(message));
    });
    return { queue, came };
  };

  /** An application that does this for the rpc `go` and the message `note`, and what its handlers were told. */
  const relay = async (relaying: Relaying) => {
    const [queue, contexts] = [uniqueName('relay'), new Inbox<PostageContext>()];
    class Relay {
      constructor(@InjectProducer(Caller) readonly calls: Calls) {}

      @RpcHandler('command', 'go')
      go(@Parameters() parameters: unknown, @Ctx() context: PostageContext): unknown {
        contexts.push(context);
        return relaying(this.calls, parameters, context);
      }

      @MessageHandler('command', 'note')
      note(@Parameters() parameters: unknown, @Ctx() context: PostageContext): unknown {
        contexts.push(context);
        return relaying(this.calls, parameters, context);
      }
    }
    const { app, events } = await world.server(queue, Relay, { prefetch: 100 });
    return { queue, contexts, app, events };
  };

  describe('within a handler', () => {
    it('says what it came from, be it a call or a message', async () => {
      const end = await sink();
      const { queue, contexts } = await relay(async (calls) => {
        const to = calls.with({ key: end.queue });
        expect((await to.rpc('ask')).unwrap()).toBe('here');
        await to.command('tell');
      });
      const asker = await Asker.of(world);
      asker.ask(queue, { messageId: 'first' });
      asker.note(queue, { messageId: 'second' });

      const all = await end.came.take(4);

      const causes = ['first', 'second'].map((id) => all.filter((message) => causeOf(message)[1] === id));
      expect(causes.map((each) => each.map(causeOf))).toEqual([
        [
          ['first', 'first'],
          ['first', 'first'],
        ],
        [
          ['second', 'second'],
          ['second', 'second'],
        ],
      ]);
      const told = (await contexts.take(2)).map((context) => [context.correlationId, context.causationId]);
      expect(new Set(told.map(([correlation]) => correlation))).toEqual(new Set(['first', 'second']));
      expect(told.map(([, causation]) => causation)).toEqual([undefined, undefined]);
    });

    it('keeps the correlation over every hop; the cause is the direct one', async () => {
      const end = await sink();
      const inner = await relay((calls) => calls.with({ key: end.queue }).command('tell'));
      const middle = await relay(async (calls) => {
        await calls.with({ key: inner.queue }).command('note');
        await calls.with({ key: inner.queue }).rpc('go');
      });
      const outer = await relay((calls) => calls.with({ key: middle.queue }).rpc('go'));
      const result = (await world.caller()).to(outer.queue).rpc('go');

      const told = await end.came.take(2);

      const [first] = await outer.contexts.take(1);
      const origin = first?.properties.messageId;
      expect([first?.correlationId, first?.causationId]).toEqual([origin, undefined]);
      const second = only(await middle.contexts.take(1));
      expect([second.correlationId, second.causationId]).toEqual([origin, origin]);
      const third = await inner.contexts.take(2);
      const parents = third.map(({ correlationId, causationId }) => [correlationId, causationId]);
      expect(parents).toEqual([
        [origin, second.properties.messageId],
        [origin, second.properties.messageId],
      ]);
      const ids = third.map(({ properties: { messageId } }) => messageId);
      expect(new Set(told.map((message) => causeOf(message)[1]))).toEqual(new Set(ids));
      expect(told.map((message) => causeOf(message)[0])).toEqual([origin, origin]);
      expect(new Set([origin, second.properties.messageId, ...ids]).size).toBe(4);
      expect((await result).ok).toBe(true);
    });

    it('keeps to its own message, however many run at once', async () => {
      const end = await sink();
      const started = new Inbox<true>();
      const { queue } = await relay(async (calls, parameters) => {
        started.push(true);
        // All of them are in flight before the first one sends.
        await started.take(50);
        await calls.with({ key: end.queue }).command('tell', parameters);
        await calls.with({ key: end.queue }).rpc('ask', parameters);
      });
      const asker = await Asker.of(world);
      const ids = Array.from({ length: 50 }, (_, index) => `message-${index}`);
      for (const [index, id] of ids.entries())
        asker.note(
          queue,
          { messageId: id, ...(index % 2 ? {} : { headers: { [CORRELATION]: `of ${id}` } }) },
          id,
        );

      const all = await end.came.take(100);

      const wrong = all.filter((message) => {
        const id = String(parametersOf(message));
        const correlation = Number(id.slice('message-'.length)) % 2 ? id : `of ${id}`;
        return JSON.stringify(causeOf(message)) !== JSON.stringify([correlation, id]);
      });
      expect(wrong).toEqual([]);
      expect(new Set(all.map(parametersOf)).size).toBe(50);
    });

    it.each([['without any id'], ['with an empty one']])(
      'belongs together where a message %s led to it, and names no cause',
      async (what) => {
        const end = await sink();
        const next = await relay((calls) => calls.with({ key: end.queue }).command('tell', 'next'));
        const { queue, contexts } = await relay(async (calls) => {
          await calls.with({ key: end.queue }).command('tell', 'one');
          await calls.with({ key: end.queue }).rpc('ask', 'two');
          await calls.with({ key: next.queue }).command('note');
        });
        const asker = await Asker.of(world);
        asker.note(queue, what === 'without any id' ? {} : { messageId: '' });

        const all = await end.came.take(3);

        const context = only(await contexts.take(1));
        expect(context.correlationId).toMatch(/^[0-9a-f]{8}-/);
        expect(context.causationId).toBeUndefined();
        expect(all.map(causeOf).map(([correlation]) => correlation)).toEqual(
          Array(3).fill(context.correlationId),
        );
        const direct = all.filter((message) => parametersOf(message) !== 'next');
        expect(direct.flatMap(namesOf)).not.toContain(CAUSATION);
        asker.note(queue);
        expect((await contexts.take(2))[1]?.correlationId).not.toBe(context.correlationId);
      },
    );

    it('says something else where the user says so', async () => {
      const end = await sink();
      const { queue } = await relay(async (calls) => {
        const to = calls.with({ key: end.queue, headers: { [CORRELATION]: 'mine', other: 1 } });
        await to.command('tell');
        await to.rpc('ask');
        await calls.with({ key: end.queue, headers: { [CAUSATION]: 'my own' } }).command('tell');
      });
      (await Asker.of(world)).note(queue, { messageId: 'first' });
      const all = await end.came.take(3);
      expect(all.map(causeOf)).toEqual([
        ['mine', 'first'],
        ['mine', 'first'],
        ['first', 'my own'],
      ]);
      expect(all.map(({ properties }) => properties.headers?.['other'])).toEqual([1, 1, undefined]);
    });

    it.each<[string, Relaying]>([
      ['after an await', (calls) => Promise.resolve().then(() => calls.command('tell'))],
      [
        'after a turn of the event loop',
        async (calls) => {
          await new Promise((resolve) => setImmediate(resolve));
          await calls.command('tell');
        },
      ],
      [
        'after a call',
        async (calls) => {
          await calls.rpc('ask');
          await calls.command('tell');
        },
      ],
      ['in an observable', (calls) => defer(() => calls.command('tell'))],
      [
        'in a later part of an observable',
        (calls) => concat(of(1), timer(1).pipe(mergeMap(() => calls.command('tell')))),
      ],
      [
        'after the answer',
        async (calls, _parameters, { reply }) => {
          reply('early');
          await new Promise((resolve) => setImmediate(resolve));
          await calls.command('tell');
        },
      ],
      [
        'while it gathers',
        async (calls) => {
          for await (const { value } of calls.gather('ask', undefined, { count: 1 }))
            expect(value).toBe('here');
        },
      ],
      [
        'in an rpc whose queue it is given',
        async (calls) => {
          const replies = await calls.with({ queueOnly: true }).rpc('ask');
          await replies.take(1, 10_000);
          replies.close();
        },
      ],
      ['by forwarding', (calls, _parameters, { body }) => calls.forward({ ...body, category: 'message' })],
    ])('says it %s', async (_when, relaying) => {
      const end = await sink();
      const { queue } = await relay((calls, ...rest) => relaying(calls.with({ key: end.queue }), ...rest));
      const asker = await Asker.of(world);
      asker.ask(queue, { messageId: 'first' });
      await asker.first();
      const all = await end.came.take(1);
      expect(all.map(causeOf).filter((cause) => cause.join() !== 'first,first')).toEqual([]);
    });

    it('says it in a handler that is a class', async () => {
      const [end, queue] = [await sink(), uniqueName('class')];
      @MessageHandler('command', 'note')
      class Note implements Handler {
        constructor(@InjectProducer(Caller) readonly calls: Calls) {}

        async call(): Promise<void> {
          await this.calls.with({ key: end.queue }).command('tell');
        }
      }
      await world.server(queue, Note);
      (await Asker.of(world)).note(queue, { messageId: 'first' });
      expect((await end.came.take(1)).map(causeOf)).toEqual([['first', 'first']]);
    });

    it('says it through a Nest client, which has a connection of its own', async () => {
      const end = await sink();
      const { connection } = world.broker;
      const client = new PostageClient({ connection, eks: [[DEFAULT_EXCHANGE, end.queue]], log: false });
      world.atEnd(() => client.close());
      const { queue } = await relay(async () => {
        await firstValueFrom(client.send('ask', 1));
        await firstValueFrom(client.emit('tell', 2), { defaultValue: undefined });
      });
      (await Asker.of(world)).ask(queue, { messageId: 'first' });
      expect((await end.came.take(2)).map(causeOf)).toEqual([
        ['first', 'first'],
        ['first', 'first'],
      ]);
      await firstValueFrom(client.send('ask', 3));
      expect(causeOf(only((await end.came.take(3)).slice(2)))).toEqual([undefined, undefined]);
    });
  });

  describe('outside of handlers', () => {
    it('says nothing of that kind', async () => {
      const end = await sink();
      const calls = (await world.caller()).to(end.queue);
      await calls.command('tell');
      await calls.rpc('ask');
      const [message, call] = await end.came.take(2);
      expect(message && namesOf(message)).toEqual([]);
      expect(call && namesOf(call).toSorted((a, b) => a.localeCompare(b))).toEqual([
        'postage-attempt',
        'postage-remaining-ms',
      ]);
    });

    it('says nothing where the application of the handler sends by itself', async () => {
      const end = await sink();
      const started = new Inbox<true>();
      const { queue, app } = await relay(async (calls) => {
        await calls.with({ key: end.queue }).command('tell', 'inside');
        started.push(true);
      });
      (await Asker.of(world)).note(queue, { messageId: 'first' });
      await started.take(1);
      await app.get(Caller).with({ key: end.queue }).command('tell', 'outside');
      const all = await end.came.take(2);
      expect(all.map(parametersOf)).toEqual(['inside', 'outside']);
      expect(all.map(causeOf)).toEqual([
        ['first', 'first'],
        [undefined, undefined],
      ]);
    });

    it('says nothing where a listener sends, though a handler has opened the connection', async () => {
      const end = await sink();
      const { queue, app } = await relay((calls) => calls.with({ key: end.queue }).command('tell', 'inside'));
      (await Asker.of(world)).note(queue, { messageId: 'first' });
      await end.came.take(1);
      let told = false;
      app.get(PostageConnection).onChange(({ publishing }) => {
        if (told || publishing.kind === 'ready') return;
        told = true;
        void app.get(Caller).with({ key: end.queue }).command('tell', 'it was lost');
      });
      world.broker.cut();
      const all = await end.came.take(2);
      expect(all.map(parametersOf)).toEqual(['inside', 'it was lost']);
      expect(all.map(causeOf)).toEqual([
        ['first', 'first'],
        [undefined, undefined],
      ]);
    });
  });
});
