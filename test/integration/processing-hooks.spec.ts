import { AsyncResource } from 'node:async_hooks';
import {
  GenericConsumer,
  InjectProducer,
  MessageHandler,
  Parameters as Given,
  PostageServer,
  RpcHandler,
  type ProducerOf,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { TEST_BROKERS, type PeerMessage } from '../support/test-brokers.js';
import { Asker, resultIn } from './rpc-once-asker.js';
import { Caller, parametersOf, useRpcWorld } from './rpc-world.js';
import { exception, success } from './world.js';

type Start = Parameters<Parameters<PostageServer['setOnProcessingStartHook']>[0]>[2];
/** Nest's type says that it returns nothing, but it may be asynchronous. */
type StartHook = (transport: unknown, context: unknown, start: Start) => unknown;

/** So many messages come at once. */
const COUNT = 20;

/** As one that works in batches: the last one of them starts them all. */
const startsTogether = (): StartHook => {
  const waiting: Start[] = [];
  return (_transport, _context, start) => {
    waiting.push(start);
    if (waiting.length === COUNT) for (const each of waiting.splice(0)) void each();
  };
};

/** As one that has a worker of its own for what waits. */
const startsOutside = (): StartHook => {
  const outside = new AsyncResource('worker');
  return (_transport, _context, start) => void outside.runInAsyncScope(start);
};

const unhandled = useUnhandledRejections();

describe.each(TEST_BROKERS)('a processing start hook of Nest on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** An application with this hook, whose handlers send to one queue what they are told to. */
  const hooked = async (hook: StartHook) => {
    const [queue, sink, told] = [uniqueName('hooked'), uniqueName('sink'), new Inbox<PeerMessage>()];
    await (await world.peer()).serve(sink, told.push);
    class Handlers {
      constructor(@InjectProducer(Caller) readonly calls: ProducerOf<Caller>) {}

      @RpcHandler('command', 'go')
      go(@Given() value: unknown): unknown {
        return value;
      }

      @RpcHandler('command', 'fail')
      async fail(@Given() turns: number): Promise<never> {
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        throw new RangeError(`after ${turns} turns`);
      }

      @MessageHandler('command', 'note')
      async note(@Given() parameters: unknown): Promise<void> {
        await this.calls.with({ key: sink }).command('tell', parameters);
      }
    }
    const { app, events } = await world.server(queue, Handlers);
    const server = app.getTransportServer();
    if (!(server instanceof PostageServer)) throw new Error('this is another transport');
    server.setOnProcessingStartHook(hook);
    const atRest = (): Promise<void> =>
      eventually(() => expect(app.get(GenericConsumer).snapshot).toMatchObject([{ queue, inFlight: 0 }]));
    return { queue, told, events, server, atRest };
  };

  describe.each([
    ['within the run of another message', startsTogether],
    ['outside of any', startsOutside],
  ])('that starts a handler %s', (_where, hook) => {
    it('leaves to each caller its own error', async () => {
      const { queue } = await hooked(hook());
      const calls = (await world.caller()).to(queue);
      const turns = Array.from({ length: COUNT }, (_, index) => index);

      const results = await Promise.all(turns.map((count) => calls.rpc('fail', count)));

      expect(results.map(({ type, value, message }) => ({ type, value, message }))).toEqual(
        turns.map((count) => exception('RangeError', `after ${count} turns`)),
      );
    });

    it('leaves to what each handler sends its own cause', async () => {
      const { queue, told } = await hooked(hook());
      const asker = await Asker.of(world);
      const ids = Array.from({ length: COUNT }, (_, index) => `message ${index}`);
      for (const messageId of ids) asker.note(queue, { messageId }, messageId);

      const sent = await told.take(COUNT);

      const causes = new Map(
        sent.map((message) => {
          const headers = message.properties.headers ?? {};
          return [
            parametersOf(message),
            [headers['postage-correlation-id'], headers['postage-causation-id']],
          ];
        }),
      );
      expect(causes).toEqual(new Map(ids.map((id) => [id, [id, id]])));
    });
  });

  describe('that fails', () => {
    const fails = (): never => {
      throw new RangeError('no room');
    };

    it.each<[string, StartHook]>([
      ['throws', fails],
      ['rejects', async () => fails()],
      ['rejects later', () => new Promise(setImmediate).then(fails)],
    ])(
      '(%s) is the failure of the handler: the caller is told, and nothing stays in flight',
      async (_how, hook) => {
        const { queue, told, events, server, atRest } = await hooked(hook);
        const asker = await Asker.of(world);
        asker.ask(queue, {}, 'x');
        asker.note(queue);

        expect(resultIn(await asker.first())).toEqual(exception('RangeError', 'no room'));
        const failed = await events.of('handler.failed').take(2);
        await atRest();

        const handlers = failed.map(({ handler }) => handler);
        expect(new Set(handlers)).toEqual(new Set(['Server.go', 'Server.note']));
        expect([told.items, unhandled]).toEqual([[], []]);
        server.setOnProcessingStartHook((_transport, _context, start) => void start());
        asker.ask(queue, {}, 'x');
        expect((await asker.replies.take(2)).map(resultIn)[1]).toEqual(success('x'));
      },
    );

    it('after it has let the handler run changes nothing', async () => {
      const { queue, events, atRest } = await hooked(async (_transport, _context, start) => {
        await start();
        fails();
      });
      const asker = await Asker.of(world);
      asker.ask(queue, {}, 'x');

      expect(resultIn(await asker.first())).toEqual(success('x'));
      await atRest();

      expect([events.of('handler.failed').items, unhandled]).toEqual([[], []]);
    });
  });
});
