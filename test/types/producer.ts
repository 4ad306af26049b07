// Compiled with the tests, never run: what the types of a producer promise. `npm run typecheck` is the test.
import {
  GenericProducer,
  type MessageMethod,
  MessageStatus,
  type ProducerOf,
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
