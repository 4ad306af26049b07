import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Fingerprint } from './fingerprint.js';
import {
  GenericMessage,
  Message,
  MessageCommand,
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  RpcCommand,
} from './message.js';

// The bodies themselves are compared with Python's in python-vectors.spec.ts.

describe('Message', () => {
  it('can be of any type', () => {
    const content = { freeBytes: 1024 };
    expect(new Message({ type: 'metric', name: 'disk', category: 'rpc', content }).body).toEqual({
      type: 'metric',
      name: 'disk',
      category: 'rpc',
      version: '2',
      fingerprint: {},
      content,
      _reserved: {},
    });
    expect(new Message({ type: 'metric', name: 'disk' }).body).toMatchObject({
      category: 'message',
      content: {},
    });
  });

  it('takes a fingerprint and returns itself, without changing a body that was read before', () => {
    const sender = new Fingerprint('echo_send', 'application').asDict();
    const message = new MessageCommand('echo');
    const before = message.body;

    expect(message.fingerprint(sender)).toBe(message);
    expect(message.body.fingerprint).toEqual(sender);
    expect(before.fingerprint).toEqual({});
    expect(Object.keys(message.body)).toEqual(Object.keys(before));
  });

  it('equals another message by value, whatever the order of keys', () => {
    const message = new MessageCommand('sum', { a: 1, b: { c: [2, 3] } });
    expect(message.equals(new MessageCommand('sum', { b: { c: [2, 3] }, a: 1 }))).toBe(true);
    expect(message.equals(new MessageCommand('sum', { a: 1, b: { c: [3, 2] } }))).toBe(false);
    expect(message.equals(new RpcCommand('sum', { a: 1, b: { c: [2, 3] } }))).toBe(false);
    expect(
      message.equals(new MessageCommand('sum', { a: 1, b: { c: [2, 3] } }).fingerprint({ pid: '1' })),
    ).toBe(false);
  });

  it('is true unless it is an error or an exception', () => {
    const truths = [
      new MessageCommand('echo'),
      new RpcCommand('echo'),
      new MessageStatus('online'),
      new GenericMessage(),
      new MessageResult(),
      new MessageResultError('no'),
      new MessageResultException('KeyError', 'no'),
    ].map((message) => message.ok);
    expect(truths).toEqual([true, true, true, true, true, false, false]);
  });

  it('turns into its body as JSON, and shows it on the console', () => {
    const message = new MessageStatus('online');
    expect(JSON.stringify(message)).toBe(JSON.stringify(message.body));
    expect(inspect(message)).toMatch(/^MessageStatus \{.*name: 'online'/s);
  });
});

describe.each([MessageCommand, RpcCommand])('%o', (Command) => {
  it('sends {} when it has no parameters, and null when they are null', () => {
    expect(new Command('echo').body.content).toEqual({ parameters: {} });
    expect(new Command('echo', undefined).body.content).toEqual({ parameters: {} });
    expect(new Command('echo', null).body.content).toEqual({ parameters: null });
    expect(new Command('echo', 0).body.content).toEqual({ parameters: 0 });
  });
});

describe('MessageStatus', () => {
  it('can be any value', () => {
    expect(new MessageStatus({ load: [0.5] }).body.name).toEqual({ load: [0.5] });
  });
});

describe('GenericMessage', () => {
  it('leaves out what is empty', () => {
    expect(new GenericMessage().body).toMatchObject({ type: 'none', name: 'none', category: 'message' });
    expect(new GenericMessage().body.content).toEqual({});
    expect(new GenericMessage([1]).body.content).toEqual({ args: [1] });
    expect(new GenericMessage([], { a: 1 }).body.content).toEqual({ kwds: { a: 1 } });
  });
});

describe('MessageResult', () => {
  it('sends null for no value, and keeps other values that are false', () => {
    expect(new MessageResult().body.content).toEqual({ type: 'success', value: null, message: '' });
    expect(new MessageResult(false).body.content['value']).toBe(false);
    expect(new MessageResult('').body.content['value']).toBe('');
  });
});

describe('MessageResultException', () => {
  it('tells the class and the text of what was thrown, and no stack', () => {
    const { content } = MessageResultException.from(new RangeError('too far')).body;
    expect(content).toEqual({ type: 'exception', value: 'RangeError', message: 'too far' });
  });
});
