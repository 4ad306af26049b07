import { Catch, UseFilters, type ArgumentsHost, type ExceptionFilter, type Type } from '@nestjs/common';
import { MessageHandler, Processor, RpcHandler, type PostageContext } from 'nestjs-postage';
import { of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, command, exception, failure, rpc, success, useWorld } from './world.js';

const world = useWorld();

class OutOfPaper extends Error {}

/** Takes only errors of one class, and does with them what it is told. */
const filterFor = (
  type: Type<Error>,
  act: (error: Error, host: ArgumentsHost) => unknown,
): ExceptionFilter => {
  @Catch(type)
  class Filter implements ExceptionFilter {
    catch(error: Error, host: ArgumentsHost): unknown {
      return act(error, host);
    }
  }
  return new Filter();
};

describe('an exception filter', () => {
  type Places = Readonly<Partial<Record<'method' | 'class' | 'global', ExceptionFilter>>>;
  const none = filterFor(class Nothing extends Error {}, () => undefined);

  const printing = async ({
    method = none,
    class: ofClass = none,
    global = none,
  }: Places): Promise<string> => {
    const queue = uniqueName('printer');
    @UseFilters(ofClass)
    @Processor({ eqk: byName(queue) })
    class Printer {
      @UseFilters(method)
      @RpcHandler('command', 'print')
      print(): never {
        throw new OutOfPaper('tray 2');
      }
    }
    await world.receive([Printer], { configure: (app) => void app.useGlobalFilters(global) });
    return queue;
  };

  const toValue = (place: string): ExceptionFilter =>
    filterFor(OutOfPaper, ({ message }) => of(`${place}: ${message}`));

  it.each(['method', 'class', 'global'] as const)('(%s) makes an answer of an error', async (place) => {
    const queue = await printing({ [place]: toValue(place) });
    expect(await world.resultOf(queue, rpc('print'))).toEqual(success(`${place}: tray 2`));
  });

  it('of the method is asked before that of the class, and that before a global one', async () => {
    const all = await printing({
      method: toValue('method'),
      class: toValue('class'),
      global: toValue('global'),
    });
    const two = await printing({ class: toValue('class'), global: toValue('global') });
    expect(await world.resultOf(all, rpc('print'))).toEqual(success('method: tray 2'));
    expect(await world.resultOf(two, rpc('print'))).toEqual(success('class: tray 2'));
  });

  it.each(['method', 'class', 'global'] as const)('(%s) makes another error of an error', async (place) => {
    const queue = await printing({
      [place]: filterFor(OutOfPaper, () => throwError(() => new RangeError('no paper'))),
    });
    expect(await world.resultOf(queue, rpc('print'))).toEqual(exception('RangeError', 'no paper'));
  });

  it('that throws answers with what it threw', async () => {
    const method = filterFor(OutOfPaper, () => {
      throw new RangeError('the filter broke');
    });
    expect(await world.resultOf(await printing({ method }), rpc('print'))).toEqual(
      exception('RangeError', 'the filter broke'),
    );
  });

  it('that gives Nest an error object makes an error result of it', async () => {
    const method = filterFor(OutOfPaper, () =>
      throwError(() => ({ status: 'error', message: 'come back later' })),
    );
    expect(await world.resultOf(await printing({ method }), rpc('print'))).toEqual(
      failure('come back later'),
    );
  });

  it('for other errors leaves this one as it is', async () => {
    const others = filterFor(TypeError, () => of('never'));
    const queue = await printing({ method: others, class: others, global: others });
    expect(await world.resultOf(queue, rpc('print'))).toEqual(exception('OutOfPaper', 'tray 2'));
  });

  it('sees the message through its host', async () => {
    const method = filterFor(OutOfPaper, (_error, host) =>
      of(host.switchToRpc().getContext<PostageContext>().name),
    );
    expect(await world.resultOf(await printing({ method }), rpc('print'))).toEqual(success('print'));
  });

  describe('of a message handler', () => {
    const forgiving = async (filter: ExceptionFilter) => {
      const { queue, eqk, dead } = await world.guardedQueue();
      @Processor({ eqk })
      class Forgiving {
        @UseFilters(filter)
        @MessageHandler('command', 'print')
        print(): never {
          throw new OutOfPaper('tray 2');
        }
      }
      return { queue, dead, ...(await world.receive([Forgiving])) };
    };

    it('that gives a value has dealt with the error: the message is acked', async () => {
      const seen = new Inbox<string>();
      const filter = filterFor(OutOfPaper, ({ message }) => of(seen.push(message)));
      const { queue, dead, app, events } = await forgiving(filter);

      world.send(queue, command('print', {}));

      expect(await seen.take(1)).toEqual(['tray 2']);
      await app.close();
      expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
      expect(events.of('handler.failed').items).toEqual([]);
    });

    it('that gives nothing, as one that only logs, leaves the failure as it was', async () => {
      const seen = new Inbox<string>();
      const { queue, dead, events } = await forgiving(
        filterFor(OutOfPaper, ({ message }) => seen.push(message)),
      );

      world.send(queue, command('print', {}));

      expect(await seen.take(1)).toEqual(['tray 2']);
      expect((await dead.take(1))[0]?.properties.headers?.['x-death']).toMatchObject([
        { reason: 'rejected' },
      ]);
      expect(events.of('handler.failed').items[0]?.error).toBeInstanceOf(OutOfPaper);
    });
  });
});
