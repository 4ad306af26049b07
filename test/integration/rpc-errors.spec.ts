import { ConflictException, HttpException, Module, NotFoundException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, RpcException, type ClientProxy } from '@nestjs/microservices';
import {
  DEFAULT_EXCHANGE,
  MessageResultError,
  Parameters,
  PostageClient,
  Producer,
  PublishError,
  RemoteError,
  RemoteException,
  RpcHandler,
  RpcTimeoutError,
  type PostageClientOptions,
  type RemoteErrorDefinition,
  type RemoteFailure,
} from 'nestjs-postage';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type PeerMessage } from '../support/test-brokers.js';
import { Caller, echoing, parametersOf, replyToOf, resultBytes, useRpcWorld } from './rpc-world.js';
import { call } from './world.js';

/** Thrown by a handler here, and known by its name there. */
class NotEnoughPaper extends Error {}

class OutOfInk extends RpcException {}

class TooHot extends HttpException {
  constructor(message: string) {
    super({ message, degrees: 90 }, 418);
  }
}

class KeyError extends Error {
  constructor(
    readonly key: string,
    readonly failure: RemoteFailure,
  ) {
    super(`no ${key}`);
  }
}

const REFUSALS: Readonly<Record<string, () => Error>> = {
  paper: () => new NotEnoughPaper('tray 2'),
  missing: () => new NotFoundException('no printer 7'),
  bare: () => new NotFoundException(),
  conflict: () => new ConflictException({ message: ['busy', 'locked'] }),
  hot: () => new TooHot('wait a while'),
  rpc: () => new RpcException('not now'),
  ink: () => new OutOfInk({ message: 'cyan', level: 0 }),
  unknown: () => new RangeError('negative'),
  timeout: () => Object.assign(new Error('the disk'), { name: 'TimeoutError' }),
};

class Printer {
  @RpcHandler('command', 'print')
  print(@Parameters() what: string): MessageResultError {
    const error = REFUSALS[what]?.();
    if (error) throw error;
    return new MessageResultError('sold out');
  }
}

const FINGERPRINT = {
  name: 'printer',
  type: 'device',
  pid: '17',
  host: 'office',
  user: 'nobody',
  vhost: 'first floor',
};

const KNOWN: readonly RemoteErrorDefinition[] = [
  NotEnoughPaper,
  NotFoundException,
  { name: 'KeyError', create: (failure) => new KeyError(failure.message, failure) },
];

const caught = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
/** What `unwrap()` of a result throws. */
const thrownBy = async (result: Promise<{ unwrap(): unknown }>): Promise<unknown> =>
  caught(result.then((each) => each.unwrap()));

describe.each(TEST_BROKERS)('errors of repliers on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  const printer = async (): Promise<string> => {
    const queue = uniqueName('printer');
    await world.server(queue, Printer, { fingerprint: FINGERPRINT });
    return queue;
  };

  /** A peer that answers each request with what it asks for in its parameters, with these headers. */
  const script = async (answer: (request: PeerMessage) => [Buffer, headers?: Record<string, unknown>]) => {
    const queue = uniqueName('script');
    const peer = await world.peer();
    await peer.serve(queue, (request) => {
      const [content, headers] = answer(request);
      peer.send(replyToOf(request), content, { ...echoing(request), ...(headers && { headers }) });
    });
    return queue;
  };
  const python = (type: 'error' | 'exception', message: string): Promise<string> =>
    script((request) => {
      const text = resultBytes(type === 'error' ? null : parametersOf(request), type).toString();
      return [Buffer.from(text.replace('"message":""', `"message":${JSON.stringify(message)}`))];
    });

  const client = async (options: PostageClientOptions): Promise<ClientProxy> => {
    const all = { connection: world.broker.connection, log: false, ...options };
    @Module({ imports: [ClientsModule.register([{ name: 'X', customClass: PostageClient, options: all }])] })
    class App {}
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    world.atEnd(() => app.close());
    return app.get<ClientProxy>('X');
  };

  describe('tell', () => {
    it('who failed, of what class, and why', async () => {
      const calls = (await world.caller()).to(await printer());
      const refused = await thrownBy(calls.rpc('print', 'missing'));
      expect(refused).toBeInstanceOf(RemoteError);
      expect(refused).toMatchObject({
        code: 'REMOTE_ERROR',
        remoteName: 'NotFoundException',
        message: 'no printer 7',
        fingerprint: FINGERPRINT,
      });
      const failed = await thrownBy(calls.rpc('print', 'paper'));
      expect(failed).toBeInstanceOf(RemoteException);
      expect(failed).toMatchObject({
        code: 'REMOTE_EXCEPTION',
        remoteName: 'NotEnoughPaper',
        message: 'tray 2',
        fingerprint: FINGERPRINT,
      });
      const named = await thrownBy(calls.rpc('print', 'nothing'));
      expect(named).toBeInstanceOf(RemoteError);
      expect(named).toMatchObject({ remoteName: undefined, message: 'sold out', fingerprint: FINGERPRINT });
    });

    it.each([
      ['missing', 'NotFoundException', 'no printer 7'],
      ['bare', 'NotFoundException', 'Not Found'],
      ['conflict', 'ConflictException', 'busy; locked'],
      ['hot', 'TooHot', 'wait a while'],
      ['rpc', 'RpcException', 'not now'],
      ['ink', 'OutOfInk', 'cyan'],
    ])(
      'of a refusal (%s) its class %s in a header, so that the body stays as it was',
      async (what, name, message) => {
        const queue = await printer();
        const error = await thrownBy((await world.caller()).to(queue).rpc('print', what));
        expect(error).toBeInstanceOf(RemoteError);
        expect(error).toMatchObject({ remoteName: name, message, fingerprint: FINGERPRINT });

        const peer = await world.peer();
        const replies = new Inbox<PeerMessage>();
        const replyTo = await peer.serve(uniqueName('replies'), replies.push);
        const request = Buffer.from(JSON.stringify(call('print', what)));
        peer.send(queue, request, { replyTo, contentType: 'application/json' });
        const [reply] = await replies.take(1);
        expect(reply?.properties.headers).toEqual({ 'postage-error-name': name });
        const { content, fingerprint } = JSON.parse(String(reply?.content)) as Record<string, unknown>;
        expect(content).toEqual({ type: 'error', value: null, message });
        expect(fingerprint).toEqual(FINGERPRINT);
      },
    );

    it('nothing in a header of an exception, or of an error without a class', async () => {
      const queue = await printer();
      const peer = await world.peer();
      const replies = new Inbox<PeerMessage>();
      const replyTo = await peer.serve(uniqueName('replies'), replies.push);
      for (const what of ['paper', 'nothing'])
        peer.send(queue, Buffer.from(JSON.stringify(call('print', what))), { replyTo });
      const all = await replies.take(2);
      for (const { properties } of all)
        expect(properties.headers ?? {}).not.toHaveProperty('postage-error-name');
      const contents = all.map(({ content }) => JSON.parse(String(content)) as { content: unknown });
      expect(contents.map(({ content }) => content)).toContainEqual({
        type: 'exception',
        value: 'NotEnoughPaper',
        message: 'tray 2',
      });
      // Never a stack.
      expect(all.map(({ content }) => String(content)).join()).not.toMatch(/\bat \w|\.ts:/);
    });

    it('no more than Python Postage says: no class of an error, no fingerprint', async () => {
      const caller = await world.caller();
      const error = await thrownBy(caller.to(await python('error', 'no such user')).rpc('ask'));
      expect(error).toBeInstanceOf(RemoteError);
      expect(error).toMatchObject({ message: 'no such user', remoteName: undefined, fingerprint: {} });
      const exception = await thrownBy(caller.to(await python('exception', "'x'")).rpc('ask', 'KeyError'));
      expect(exception).toBeInstanceOf(RemoteException);
      expect(exception).toMatchObject({ message: "'x'", remoteName: 'KeyError', fingerprint: {} });
    });

    it.each([[5], [null], [['NotFoundException']], [{ name: 'NotFoundException' }]])(
      'no class when the header holds %j instead of a name',
      async (header) => {
        const queue = await script(() => [resultBytes(null, 'error'), { 'postage-error-name': header }]);
        const error = await thrownBy((await world.caller({ errors: KNOWN })).to(queue).rpc('ask'));
        expect(error).toBeInstanceOf(RemoteError);
        expect(error).toMatchObject({ remoteName: undefined });
      },
    );
  });

  describe('that are known to the caller', () => {
    it('are thrown as what they are, by class or by name', async () => {
      const caller = await world.caller({ errors: KNOWN });
      const calls = caller.to(await printer());

      const paper = await thrownBy(calls.rpc('print', 'paper'));
      expect(paper).toBeInstanceOf(NotEnoughPaper);
      expect(paper).toMatchObject({ message: 'tray 2' });
      const { cause } = paper as Error;
      expect(cause).toBeInstanceOf(RemoteException);
      expect(cause).toMatchObject({ remoteName: 'NotEnoughPaper', fingerprint: FINGERPRINT });

      const missing = await thrownBy(calls.rpc('print', 'missing'));
      expect(missing).toBeInstanceOf(NotFoundException);
      expect(missing).toMatchObject({ message: 'no printer 7' });
      expect((missing as NotFoundException).getStatus()).toBe(404);
      expect((missing as Error).cause).toBeInstanceOf(RemoteError);
      expect((missing as Error).cause).toMatchObject({ fingerprint: FINGERPRINT });

      const key = await thrownBy(caller.to(await python('exception', 'paper')).rpc('ask', 'KeyError'));
      expect(key).toBeInstanceOf(KeyError);
      expect(key).toMatchObject({ message: 'no paper', key: 'paper' });
      expect((key as KeyError).failure).toBeInstanceOf(RemoteException);
      expect((key as Error).cause).toBe((key as KeyError).failure);
    });

    it('are still values as long as nobody unwraps them', async () => {
      const calls = (await world.caller({ errors: KNOWN })).to(await printer());
      const exception = await calls.rpc('print', 'paper');
      expect(exception).toMatchObject({ ok: false, type: 'exception', value: 'NotEnoughPaper' });
      const error = await calls.rpc('print', 'missing');
      expect(error).toMatchObject({ ok: false, type: 'error', value: null, message: 'no printer 7' });
    });

    it('are so in a gathering and in a reply queue', async () => {
      const calls = (await world.caller({ errors: KNOWN })).to(await printer());
      for await (const reply of calls.gather('print', 'paper', { count: 1 }))
        expect(() => reply.unwrap()).toThrow(NotEnoughPaper);
      const replies = await calls.with({ queueOnly: true }).rpc('print', 'missing');
      const [reply] = await replies.take(1, 10_000);
      expect(() => reply?.unwrap()).toThrow(NotFoundException);
      replies.close();
    });

    it('leave those of other names as they were', async () => {
      const calls = (await world.caller({ errors: KNOWN })).to(await printer());
      const unknown = await thrownBy(calls.rpc('print', 'unknown'));
      expect(unknown).toBeInstanceOf(RemoteException);
      expect(unknown).toMatchObject({ remoteName: 'RangeError', message: 'negative' });
      const conflict = await thrownBy(calls.rpc('print', 'conflict'));
      expect(conflict).toBeInstanceOf(RemoteError);
      expect(conflict).toMatchObject({ remoteName: 'ConflictException' });
    });

    it.each<[string, (failure: RemoteFailure) => Error]>([
      [
        'throws',
        () => {
          throw new TypeError('I expected something else');
        },
      ],
      ['makes no error', () => ({ name: 'Almost', message: 'an error' })],
    ])('but whose function %s lose nothing', async (_what, create) => {
      const caller = await world.caller({ errors: [{ name: 'KeyError', create }] });
      const error = await thrownBy(caller.to(await python('exception', "'x'")).rpc('ask', 'KeyError'));
      expect(error).toBeInstanceOf(RemoteException);
      expect(error).toMatchObject({ remoteName: 'KeyError', message: "'x'" });
    });

    it('keep a cause of their own', async () => {
      const own = new Error('my own');
      const create = ({ message }: RemoteFailure): Error => new Error(message, { cause: own });
      const caller = await world.caller({ errors: [{ name: 'KeyError', create }] });
      const error = await thrownBy(caller.to(await python('exception', "'x'")).rpc('ask', 'KeyError'));
      expect(error).toMatchObject({ message: "'x'", cause: own });
    });
  });

  it('of the name TimeoutError are not taken for a call that had no answer', async () => {
    const queue = await printer();
    const calls = (await world.caller()).to(queue);
    const remote = await calls.rpc('print', 'timeout');
    expect(remote).toMatchObject({ type: 'exception', value: 'TimeoutError', message: 'the disk' });
    const remoteError = await thrownBy(Promise.resolve(remote));
    expect(remoteError).toBeInstanceOf(RemoteException);
    expect(remoteError).toMatchObject({ remoteName: 'TimeoutError', fingerprint: FINGERPRINT });

    const mute = uniqueName('mute');
    await (await world.peer()).declare(mute);
    const errors = [{ name: 'TimeoutError', create: () => new KeyError('no', remoteError as RemoteFailure) }];
    const caller = await world.caller({ errors });
    const silence = await caller.to(mute, { timeoutMs: 1_200, maxRetry: 0 }).rpc('print');
    expect(silence).toMatchObject({ type: 'exception', value: 'TimeoutError' });
    const timedOut = await thrownBy(Promise.resolve(silence));
    expect(timedOut).toBeInstanceOf(RpcTimeoutError);
    expect(timedOut).toMatchObject({ code: 'RPC_TIMEOUT', facts: { attempts: 1, routingKey: mute } });
    expect(await thrownBy(caller.to(queue).rpc('print', 'timeout'))).toBeInstanceOf(KeyError);
  });

  describe('that a Nest client gets from `send`', () => {
    const sent = (proxy: ClientProxy, what: string): Promise<unknown> =>
      caught(firstValueFrom(proxy.send('print', what)));

    it('are those that it knows, or RemoteError and RemoteException', async () => {
      const proxy = await client({ eks: [[DEFAULT_EXCHANGE, await printer()]], errors: KNOWN });
      const paper = await sent(proxy, 'paper');
      expect(paper).toBeInstanceOf(NotEnoughPaper);
      expect((paper as Error).cause).toMatchObject({
        remoteName: 'NotEnoughPaper',
        fingerprint: FINGERPRINT,
      });
      const missing = await sent(proxy, 'missing');
      expect(missing).toBeInstanceOf(NotFoundException);
      expect((missing as Error).cause).toBeInstanceOf(RemoteError);
      const unknown = await sent(proxy, 'unknown');
      expect(unknown).toBeInstanceOf(RemoteException);
      expect(unknown).toMatchObject({ remoteName: 'RangeError', message: 'negative' });
      const refused = await sent(proxy, 'ink');
      expect(refused).toBeInstanceOf(RemoteError);
      expect(refused).toMatchObject({ remoteName: 'OutOfInk', message: 'cyan', fingerprint: FINGERPRINT });
    });

    it('are RpcTimeoutError without an answer, RemoteException where the replier timed out', async () => {
      const proxy = await client({ eks: [[DEFAULT_EXCHANGE, await printer()]] });
      const remote = await sent(proxy, 'timeout');
      expect(remote).toBeInstanceOf(RemoteException);
      expect(remote).toMatchObject({ remoteName: 'TimeoutError' });
      const mute = uniqueName('mute');
      await (await world.peer()).declare(mute);
      const impatient = await client({ eks: [[DEFAULT_EXCHANGE, mute]], timeoutMs: 1_000, maxRetry: 1 });
      const silence = await sent(impatient, 'paper');
      expect(silence).toBeInstanceOf(RpcTimeoutError);
      expect(silence).toMatchObject({ facts: { command: 'print', attempts: 2, routingKey: mute } });
    });

    it('are UNROUTABLE at once where nobody is bound', async () => {
      const lonely = await client({ eks: [[DEFAULT_EXCHANGE, uniqueName('nobody')]], timeoutMs: 1_000_000 });
      const error = await sent(lonely, 'paper');
      expect(error).toBeInstanceOf(PublishError);
      expect(error).toMatchObject({ code: 'UNROUTABLE', exchange: '' });
    });
  });
});

describe('bad input is refused with the name of the option', () => {
  const create = (): Error => new Error('made');
  const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });

  it.each<[string, object]>([
    ['maxReplyQueues', { maxReplyQueues: 0 }],
    ['maxReplyQueues', { maxReplyQueues: 1.5 }],
    ['replyQueueIdleMs', { replyQueueIdleMs: 0 }],
    ['replyQueueIdleMs', { replyQueueIdleMs: -1 }],
    ['replyQueueIdle', { replyQueueIdle: 1_000 }],
    ['errors', { errors: 'KeyError' }],
    ['errors', { errors: NotEnoughPaper }],
    ['errors[0]', { errors: ['KeyError'] }],
    ['errors[0]', { errors: [null] }],
    ['errors[0]', { errors: [create] }],
    ['errors[0]', { errors: [{ name: '', create }] }],
    ['errors[1]', { errors: [NotEnoughPaper, { name: 'KeyError' }] }],
    ['errors[1]', { errors: [NotEnoughPaper, NotEnoughPaper] }],
    ['errors[1]', { errors: [NotEnoughPaper, { name: 'NotEnoughPaper', create }] }],
  ])('at the start, case %#: %s in %j', async (option, options) => {
    await expect(startReceiver(options, [])).rejects.toThrow(refusal(option));
    expect(() => new PostageClient({ eks: [], ...options })).toThrow(refusal(option));
  });

  it.each<[string, object]>([
    ['timeoutMs', { timeoutMs: 0 }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: 1.5 }],
    ['timeoutMs', { timeoutMs: '5' }],
    ['maxRetry', { maxRetry: -1 }],
    ['maxRetry', { maxRetry: 1.5 }],
    ['retries', { retries: 3 }],
  ])('of calls: %s in %j', (option, options) => {
    expect(() => new Caller().with(options)).toThrow(refusal(option));
    expect(() => Producer({ defaults: options })(Caller)).toThrow(refusal(option));
    expect(() => new PostageClient({ eks: [], ...options })).toThrow(refusal(option));
  });
});
