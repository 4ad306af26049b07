// Compiled with the tests, never run: what the types of a producer promise. `npm run typecheck` is the test.
import {
  type GatherOptions,
  type Gathering,
  GenericProducer,
  type MessageMethod,
  MessageStatus,
  type PostageClientOptions,
  type PostageOptions,
  type ProducerOf,
  RemoteError,
  type RemoteErrorDefinition,
  RemoteException,
  type RemoteFailure,
  type ReplyQueue,
  RpcCommand,
  type RpcMethod,
  type RpcResult,
} from 'nestjs-postage';
import { expectType } from './expect-type.js';

interface Sum {
  readonly a: number;
  readonly b: number;
}

export class EchoProducer extends GenericProducer {
  declare readonly messageEcho: MessageMethod<string>;
  declare readonly messageStop: MessageMethod;
  declare readonly messageLog: MessageMethod<string | undefined>;
  declare readonly messageAny: MessageMethod<unknown>;
  declare readonly rpcEcho: RpcMethod<string, string>;
  declare readonly rpcAdd: RpcMethod<Sum, number>;
  declare readonly rpcTime: RpcMethod<void, Date>;
  declare readonly rpcUntyped: RpcMethod;

  buildMessageStatusOnline(): MessageStatus {
    return new MessageStatus('online');
  }
  async buildMessageStatusOf(host: string, isUp = true): Promise<MessageStatus> {
    return new MessageStatus(`${host} is ${isUp ? 'online' : 'offline'}`);
  }
  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand<number>('sum', { a, b });
  }
  async buildRpcSumLater(...terms: number[]): Promise<RpcCommand<number>> {
    return new RpcCommand<number>('sum', { terms });
  }
  buildRpcUntyped2(): RpcCommand {
    return new RpcCommand('untyped');
  }
}

export const builtMethods = (echo: ProducerOf<EchoProducer>): void => {
  // a builder gives a method with its parameters
  expectType<() => Promise<void>>()(echo.messageStatusOnline);
  expectType<(host: string, isUp?: boolean) => Promise<void>>()(echo.messageStatusOf);
  expectType<(a: number, b: number) => Promise<RpcResult<number>>>()(echo.rpcSum);
  expectType<(...terms: number[]) => Promise<RpcResult<number>>>()(echo.rpcSumLater);
  expectType<() => Promise<RpcResult>>()(echo.rpcUntyped2);
  void echo.messageStatusOf('a-host');
  // @ts-expect-error a parameter is missing
  void echo.messageStatusOf();
  // @ts-expect-error a parameter has another type
  void echo.rpcSum('5', 6);
  // @ts-expect-error one parameter too many
  void echo.messageStatusOnline('now');
};

export const misspelt = (echo: ProducerOf<EchoProducer>, bare: EchoProducer): void => {
  // @ts-expect-error no builder of that name
  void echo.messageStatusOnlin();
  // @ts-expect-error messages have no rpc method
  void echo.rpcStatusOnline();
  // @ts-expect-error the method belongs to ProducerOf<EchoProducer>
  void bare.messageStatusOnline();
  // @ts-expect-error generated methods can not be replaced
  echo.messageStatusOnline = async () => undefined;
};

export const declaredMethods = (echo: ProducerOf<EchoProducer>): void => {
  expectType<(parameters: string) => Promise<void>>()(echo.messageEcho);
  expectType<() => Promise<void>>()(echo.messageStop);
  expectType<(parameters?: string) => Promise<void>>()(echo.messageLog);
  expectType<(parameters: string) => Promise<RpcResult<string>>>()(echo.rpcEcho);
  expectType<() => Promise<RpcResult<Date>>>()(echo.rpcTime);
  expectType<() => Promise<RpcResult>>()(echo.rpcUntyped);
  expectType<Promise<RpcResult<number>>>()(echo.rpcAdd({ a: 5, b: 6 }));
  void echo.messageStop();
  void echo.messageLog();
  void echo.messageLog('text');
  void echo.messageAny();
  void echo.messageAny({ anything: true });
  // @ts-expect-error parameters are required
  void echo.messageEcho();
  // @ts-expect-error parameters have another type
  void echo.messageEcho(7);
  // @ts-expect-error it takes one value
  void echo.messageEcho('one', 'two');
  // @ts-expect-error a command without parameters
  void echo.messageStop('now');
  // @ts-expect-error a field is missing
  void echo.rpcAdd({ a: 5 });
};

export const withOptions = async (echo: ProducerOf<EchoProducer>): Promise<void> => {
  const quick = echo.with({ timeoutMs: 100, key: 'other-rk' });
  expectType<Promise<RpcResult<number>>>()(quick.rpcSum(5, 6));
  expectType<Promise<void>>()(quick.messageStatusOnline());
  expectType<Promise<void>>()(quick.with({ priority: 3 }).messageEcho('again'));
  // @ts-expect-error not an option
  echo.with({ timeout: 100 });
  // @ts-expect-error a number of milliseconds
  echo.with({ timeoutMs: '100' });
};

export const queueOnly = async (echo: ProducerOf<EchoProducer>): Promise<void> => {
  const open = echo.with({ queueOnly: true });
  expectType<(parameters: string) => Promise<ReplyQueue<string>>>()(open.rpcEcho);
  expectType<(a: number, b: number) => Promise<ReplyQueue<number>>>()(open.rpcSum);
  expectType<() => Promise<ReplyQueue<Date>>>()(open.rpcTime);
  // messages stay as they are
  expectType<(parameters: string) => Promise<void>>()(open.messageEcho);
  expectType<() => Promise<void>>()(open.messageStatusOnline);
  const replies = await open.rpcSum(5, 6);
  expectType<RpcResult<number>[]>()(await replies.take(2, 500));
  for await (const reply of replies) expectType<RpcResult<number>>()(reply);
  expectType<Promise<ReplyQueue<number>>>()(open.with({ timeoutMs: 100 }).rpcSum(5, 6));
  expectType<ReplyQueue<number>>()(await open.rpc<number>('sum', {}));
  expectType<Promise<RpcResult<number>>>()(open.with({ queueOnly: false }).rpcSum(1, 2));
};

export const results = (result: RpcResult<number>): number | string => {
  expectType<number>()(result.unwrap());
  if (result.ok) {
    expectType<'success'>()(result.type);
    return result.value;
  }
  expectType<'error' | 'exception'>()(result.type);
  expectType<string | null>()(result.value);
  // the message is there whatever the result is
  return result.type === 'exception' ? result.value : result.message;
};

export const gathering = async (echo: ProducerOf<EchoProducer>): Promise<void> => {
  // a command says what its replies are worth; a name does not
  expectType<Gathering<number>>()(echo.gather(echo.buildRpcSum(5, 6)));
  expectType<Gathering<number>>()(
    echo.gather(await echo.buildRpcSumLater(1, 2), { count: 2, timeoutMs: 500 }),
  );
  expectType<Gathering<unknown>>()(echo.gather('ping'));
  expectType<Gathering<string>>()(echo.gather<string>('ping', { any: 'parameters' }, { count: 2 }));
  const until = ({ value }: RpcResult<number>): boolean => value === 7;
  expectType<Gathering<number>>()(echo.gather('sum', { a: 5 }, { until }));
  const isEleven: GatherOptions<number>['until'] = (reply) => reply.ok && reply.value === 11;
  const iterable: AsyncIterable<RpcResult<number>> = echo.gather(echo.buildRpcSum(5, 6), { until: isEleven });
  for await (const reply of iterable) expectType<RpcResult<number>>()(reply);
  for await (const reply of echo.with({ timeoutMs: 100 }).gather(new RpcCommand<Date>('time'))) {
    expectType<Date>()(reply.unwrap());
    if (reply.ok) expectType<Date>()(reply.value);
  }
  const replies = echo.gather(echo.buildRpcSum(5, 6));
  const next = await replies.next();
  expectType<RpcResult<number> | undefined>()(next.value);
  expectType<IteratorReturnResult<undefined>>()(await replies.return());
  // @ts-expect-error neither a name nor a command
  echo.gather({ name: 'ping' });
  // @ts-expect-error the rpc method calls by itself: gather wants the command of its builder
  echo.gather(echo.rpcSum(5, 6));
  // @ts-expect-error a promise of a command is no command
  echo.gather(echo.buildRpcSumLater(1, 2));
  // @ts-expect-error not an option of gather
  echo.gather('ping', undefined, { maxRetry: 3 });
  // @ts-expect-error a number
  echo.gather('ping', undefined, { count: '2' });
  // @ts-expect-error no promise: replies are looked at as they come
  echo.gather('ping', undefined, { until: async () => true });
  // @ts-expect-error the replies have another type
  echo.gather(echo.buildRpcSum(5, 6), { until: (reply: RpcResult<string>) => reply.value === '11' });
  // @ts-expect-error options stand behind the parameters
  echo.gather<number>('ping', { until: (reply) => reply.ok, count: 2 }, 500);
};

export const failures = (result: RpcResult<number>): void => {
  if (result.ok) return;
  expectType<never>()(result.unwrap());
};

class OutOfPaper extends Error {}
class NeedsTwo extends Error {
  constructor(tray: string, sheets: number) {
    super(`${tray}: ${sheets}`);
  }
}

export const knownErrors = (): PostageOptions => {
  const create = (failure: RemoteFailure): Error => {
    expectType<string>()(failure.message);
    expectType<string | undefined>()(failure.remoteName);
    expectType<Readonly<Record<string, unknown>>>()(failure.fingerprint);
    expectType<RemoteError | RemoteException>()(failure);
    return failure;
  };
  const errors: readonly RemoteErrorDefinition[] = [
    OutOfPaper,
    TypeError,
    { name: 'KeyError', create },
    { name: 'IndexError', create: ({ message }) => new RangeError(message) },
  ];
  const ofClient: Pick<PostageClientOptions, 'errors'> = { errors };
  // @ts-expect-error its constructor takes more than a message
  const tooMany: RemoteErrorDefinition = NeedsTwo;
  // @ts-expect-error no error
  const noError: RemoteErrorDefinition = Date;
  // @ts-expect-error nothing to make it with
  const nameOnly: RemoteErrorDefinition = { name: 'KeyError' };
  // @ts-expect-error nothing to know it by
  const nameless: RemoteErrorDefinition = { create };
  // @ts-expect-error it makes no error
  const noMaker: RemoteErrorDefinition = { name: 'KeyError', create: () => 'KeyError' };
  // @ts-expect-error a name is not enough
  const names: PostageOptions = { errors: ['KeyError'] };
  // @ts-expect-error a list
  const single: PostageOptions = { errors: OutOfPaper };
  return { ...ofClient, ...names, ...single, errors: [tooMany, noError, nameOnly, nameless, noMaker] };
};
