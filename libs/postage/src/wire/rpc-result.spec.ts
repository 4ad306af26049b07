import { describe, expect, expectTypeOf, it } from 'vitest';
import { RemoteError, RemoteException, RpcTimeoutError } from '../errors.js';
import {
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  type RpcCommand,
} from './message.js';
import { parseResult } from './result.js';
import { rpcResultFrom, timeoutResult, type RpcResult } from './rpc-result.js';

const replier = { name: 'echo_receive', pid: '7' };

describe('rpcResultFrom', () => {
  it('makes a success, whose value is to be had in two ways', () => {
    const { body } = new MessageResult(11, 'added').fingerprint(replier);
    const result = rpcResultFrom<number>(body);

    expect(result).toMatchObject({ ok: true, type: 'success', value: 11, message: 'added' });
    expect(result.body.content.value).toBe(11);
    expect(result.body.fingerprint).toEqual(replier);
    expect(result.unwrap()).toBe(11);
  });

  it('makes an error, which unwraps to a RemoteError', () => {
    const result = rpcResultFrom(new MessageResultError('no such user').fingerprint(replier).body);

    expect(result).toMatchObject({ ok: false, type: 'error', value: null, message: 'no such user' });
    expect(() => result.unwrap()).toThrow(RemoteError);
    expect(() => result.unwrap()).toThrow(
      expect.objectContaining({ code: 'REMOTE_ERROR', message: 'no such user', fingerprint: replier }),
    );
  });

  it('makes an exception, which unwraps to a RemoteException', () => {
    const result = rpcResultFrom(new MessageResultException('KeyError', "'x'").fingerprint(replier).body);

    expect(result).toMatchObject({ ok: false, type: 'exception', value: 'KeyError', message: "'x'" });
    expect(() => result.unwrap()).toThrow(RemoteException);
    expect(() => result.unwrap()).toThrow(
      expect.objectContaining({ remoteName: 'KeyError', message: "'x'", fingerprint: replier }),
    );
  });

  it('refuses a reply that is no result', () => {
    expect(() => rpcResultFrom(new MessageStatus('online').body)).toThrow(
      expect.objectContaining({ code: 'MALFORMED_MESSAGE', field: 'body.type' }),
    );
  });

  it('is typed by what it turned out to be', () => {
    const result = rpcResultFrom<number>(new MessageResult(1).body);
    if (result.ok) expectTypeOf(result.value).toEqualTypeOf<number>();
    else expectTypeOf(result.value).toEqualTypeOf<string | null>();
    expectTypeOf(result.unwrap()).toEqualTypeOf<number>();

    type ValueOf<C> = C extends RpcCommand<infer V> ? RpcResult<V> : never;
    expectTypeOf<ValueOf<RpcCommand<number>>>().toEqualTypeOf<RpcResult<number>>();
    expectTypeOf<RpcCommand<number>>().not.toExtend<RpcCommand<string>>();
  });
});

describe('timeoutResult', () => {
  const facts = {
    exchange: 'x',
    routingKey: 'k',
    type: 'command',
    command: 'sum',
    attempts: 5,
    elapsedMs: 150,
  };
  const error = new RpcTimeoutError(facts);

  it('is the exception result TimeoutError, which nobody sent', () => {
    const result = timeoutResult(error);
    expect(result).toMatchObject({
      ok: false,
      type: 'exception',
      value: 'TimeoutError',
      message: error.message,
    });
    expect(parseResult(result.body)).toEqual({
      type: 'exception',
      value: 'TimeoutError',
      message: error.message,
    });
    expect(result.body.fingerprint).toEqual({});
  });

  it('unwraps to the error of the timeout, unlike a TimeoutError of the replier', () => {
    const remote = rpcResultFrom(new MessageResultException('TimeoutError', 'their own').body);
    expect(() => timeoutResult(error).unwrap()).toThrow(error);
    expect(() => remote.unwrap()).toThrow(RemoteException);
  });
});

describe('a failed result', () => {
  it('unwraps to what its makers make of it', () => {
    const makers = {
      failure: ({ message }: { message: string }) => new RangeError(message),
      exception: ({ value }: { value: string }) => new TypeError(value),
    };
    expect(() => rpcResultFrom(new MessageResultError('too far').body, makers).unwrap()).toThrow(
      new RangeError('too far'),
    );
    expect(() => rpcResultFrom(new MessageResultException('KeyError', 'k').body, makers).unwrap()).toThrow(
      new TypeError('KeyError'),
    );
  });
});
