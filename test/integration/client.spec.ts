import {
  MessageHandler,
  MessageResultError,
  Parameters,
  PostageClient,
  Processor,
  PublishError,
  RemoteError,
  RemoteException,
  RpcHandler,
  RpcTimeoutError,
  type PostageConnection,
} from 'nestjs-postage';
import { firstValueFrom, lastValueFrom, timeout, TimeoutError, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { bodyOf, clientsOf } from './clients.js';
import { byName, command, success, useWorld } from './world.js';

const world = useWorld();
const { withClient, overheard, eksOf } = clientsOf(world);

class OutOfPaper extends Error {}

const printer = async () => {
  const queue = uniqueName('printer');
  const gate = new Inbox<'open'>();
  @Processor({ eqk: [[world.exchangeOf(queue), [[queue, queue]]]] })
  class Printer {
    @RpcHandler('command', 'echo')
    echo(@Parameters() parameters: unknown): unknown {
      return parameters;
    }

    @RpcHandler('command', 'print')
    print(): never {
      throw new OutOfPaper('tray 2');
    }

    @RpcHandler('command', 'buy')
    buy(): MessageResultError {
      return new MessageResultError('sold out');
    }

    @RpcHandler('command', 'slow')
    async slow(): Promise<string> {
      await gate.take(1);
      return 'at last';
    }

    @RpcHandler('status', 'ink')
    ink(content: object): object {
      return content;
    }

    @MessageHandler('command', 'any')
    any(): void {}
  }
  return { gate, eks: eksOf(queue), queue, ...(await world.receive([Printer])) };
};

describe('`send` of a client', () => {
  it('gives the value, once, and completes', async () => {
    const { eks } = await printer();
    const { client } = await withClient({ eks });

    expect(await lastValueFrom(client.send('echo', { a: 5 }).pipe(toArray()))).toEqual([{ a: 5 }]);
    expect(await firstValueFrom(client.send({ cmd: 'echo' }, [1, 2]))).toEqual([1, 2]);
    expect(await firstValueFrom(client.send({ type: 'command', name: 'echo' }, 'x'))).toBe('x');
    expect(await firstValueFrom(client.send({ type: 'status', name: 'ink' }, { level: 3 }))).toEqual({
      level: 3,
    });
  });

  it('sends no data as empty parameters, null as null and false as false', async () => {
    const { eks } = await printer();
    const { client } = await withClient({ eks });

    expect(await firstValueFrom(client.send('echo', undefined))).toEqual({});
    expect(await firstValueFrom(client.send('echo', null))).toBeNull();
    expect(await firstValueFrom(client.send('echo', false))).toBe(false);
  });

  it('errors with what the replier answered', async () => {
    const { eks } = await printer();
    const { client } = await withClient({ eks });

    const refused: unknown = await firstValueFrom(client.send('buy', {})).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RemoteError);
    expect(refused).toMatchObject({ code: 'REMOTE_ERROR', message: 'sold out' });
    const broken: unknown = await firstValueFrom(client.send('print', {})).catch((error: unknown) => error);
    expect(broken).toBeInstanceOf(RemoteException);
    expect(broken).toMatchObject({ code: 'REMOTE_EXCEPTION', remoteName: 'OutOfPaper', message: 'tray 2' });
    expect((broken as RemoteException).fingerprint).toMatchObject({ vhost: world.vhost.name });
    await expect(firstValueFrom(client.send('nobody', {}))).rejects.toMatchObject({
      remoteName: 'NoHandlerError',
    });
  });

  it('errors after its timeout and retries, and the same request was sent each time', async () => {
    const { eks, inbox } = await overheard();
    const { client } = await withClient({ eks, timeoutMs: 60, maxRetry: 2 });
    await client.connect();

    const error: unknown = await firstValueFrom(client.send('sum', {})).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(RpcTimeoutError);
    expect(error).toMatchObject({ facts: { type: 'command', command: 'sum', attempts: 3 } });
    const requests = await inbox.take(3);
    expect(new Set(requests.map(({ properties }) => String(properties.messageId))).size).toBe(1);
    expect(requests.map(({ properties }) => String(properties.expiration))).toEqual(['60', '60', '60']);
  });

  it('errors at once where no queue is bound to its key', async () => {
    const { client } = await withClient({ eks: [[world.exchangeOf(uniqueName('empty')), 'nobody']] });
    const error: unknown = await firstValueFrom(client.send('sum', {})).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ code: 'UNROUTABLE' });
  });

  it('sends nothing before it is subscribed to, and one request per subscription', async () => {
    const { eks, inbox } = await overheard();
    const { client } = await withClient({ eks, timeoutMs: 200, maxRetry: 0 });

    const cold = client.send('cold', {});
    await lastValueFrom(client.emit('mark', {}), { defaultValue: undefined });
    expect((await inbox.take(1)).map((one) => bodyOf(one).name)).toEqual(['mark']);

    const subscriptions = [
      cold.subscribe({ error: () => undefined }),
      cold.subscribe({ error: () => undefined }),
    ];
    expect((await inbox.take(3)).slice(1).map((one) => bodyOf(one).name)).toEqual(['cold', 'cold']);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });

  it('that is unsubscribed from stops waiting: its late reply is dropped, and the next call is served', async () => {
    const { eks, gate } = await printer();
    // With one reply queue, a call that still waited would hold up the next one.
    const { client, events } = await withClient({ eks, maxReplyQueues: 1, timeoutMs: 2_000 });

    await expect(firstValueFrom(client.send('slow', {}).pipe(timeout(150)))).rejects.toBeInstanceOf(
      TimeoutError,
    );
    expect(await firstValueFrom(client.send('echo', 'next'))).toBe('next');
    gate.push('open');

    expect(await firstValueFrom(client.send('slow', {}))).toBe('at last');
    expect(events.of('internal.failure').items).toEqual([]);
  });

  it('errors by its timeout where the broker can not be reached, and `connect` goes on trying', async () => {
    const { client } = await withClient({
      eks: [[world.exchangeOf('x'), 'rk']],
      connection: { host: '127.0.0.1', port: 1 },
      timeoutMs: 100,
      maxRetry: 0,
    });
    const connected = client.connect().catch((caught: unknown) => caught);

    const error: unknown = await firstValueFrom(client.send('sum', {})).catch((caught: unknown) => caught);

    expect(error).toMatchObject({ code: 'NOT_CONNECTED' });
    await client.close();
    expect(await connected).toMatchObject({ code: 'CONNECTION_CLOSED' });
  });

  it('keeps 100 parallel calls apart', async () => {
    const { eks } = await printer();
    const { client } = await withClient({ eks });
    const ids = Array.from({ length: 100 }, (_, index) => index);

    expect(await Promise.all(ids.map((id) => firstValueFrom(client.send<number>('echo', id))))).toEqual(ids);
  });

  it('errors when the application closes while it waits', async () => {
    const { eks } = await overheard();
    const { app, client } = await withClient({ eks });

    const pending = firstValueFrom(client.send('sum', {})).catch((caught: unknown) => caught);
    await client.connect();
    await lastValueFrom(client.emit('mark', {}), { defaultValue: undefined });
    await app.close();

    expect(await pending).toMatchObject({ code: 'CONNECTION_CLOSED' });
  });
});

describe('a client', () => {
  it('gives its connection, and closes with the application, however often', async () => {
    const { eks } = await overheard();
    const { app, client } = await withClient({ eks });
    const connection = client.unwrap<PostageConnection>();

    await client.connect();
    expect(connection.snapshot.publishing.kind).toBe('ready');
    await app.close();
    await app.close();

    expect(connection.snapshot).toMatchObject({
      publishing: { kind: 'closed' },
      consuming: { kind: 'closed' },
    });
  });

  it('takes its broker in the same two ways as a server', async () => {
    const queue = uniqueName('plain');
    const seen = new Inbox<unknown>();
    @Processor({ eqk: byName(queue) })
    class Plain {
      @MessageHandler('command', 'go')
      go(@Parameters() parameters: unknown): void {
        seen.push(parameters);
      }
    }
    await world.receive([Plain]);
    const client = new PostageClient({ url: world.url, eks: [[world.exchangeOf(''), queue]] });
    world.atEnd(() => client.close());

    await lastValueFrom(client.emit('go', 'beside'), { defaultValue: undefined });

    expect(await seen.take(1)).toEqual(['beside']);
    const both = { url: world.url, connection: { url: world.url }, eks: [] };
    expect(() => new PostageClient(both)).toThrow(/url.*connection/);
  });

  it('talks to handlers of Nest and of ours alike', async () => {
    const { eks, queue } = await printer();
    const { client } = await withClient({ eks });
    expect(await firstValueFrom(client.send('echo', 1))).toBe(1);
    expect(await world.resultOf(queue, { ...command('echo', 2), category: 'rpc' })).toEqual(success(2));
  });
});
