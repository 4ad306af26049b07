import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Codec } from './codec.js';
import { JsonEncoder } from './json-encoder.js';
import {
  GenericMessage,
  MessageCommand,
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  RpcCommand,
  type Message,
} from './message.js';

/** What the Python original put on a broker, byte for byte. */
interface Vector {
  readonly case: string;
  readonly properties: { readonly content_type?: string };
  readonly body: string;
}

const VECTORS = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/wire/vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[];

const SENDER = {
  name: 'echo_send',
  type: 'application',
  pid: '4242',
  host: 'host-1',
  user: 'svc',
  vhost: '/',
};

/** The same calls with our classes. */
const OURS: Readonly<Record<string, Message>> = {
  'command-string': new MessageCommand('echo', 'A test message'),
  'command-no-parameters': new MessageCommand('echo'),
  'command-none': new MessageCommand('echo', null),
  'command-unicode': new MessageCommand('echo', 'café ☕ 📮'),
  'command-built': new MessageCommand('log', { level: 'warn', text: 'disk' }),
  'command-join-group': new MessageCommand('join_group', { group_name: 'eu' }),
  'command-big-integer': new MessageCommand('echo', 2n ** 63n),
  'command-nan': new MessageCommand('echo', NaN),
  'command-infinity': new MessageCommand('echo', Infinity),
  'command-float': new MessageCommand('echo', 1.0),
  'command-quit': new MessageCommand('quit'),
  'command-restart': new MessageCommand('restart'),
  status: new MessageStatus('online'),
  generic: new GenericMessage([1, 'str'], { values: [1, 2, 3, 'numbers'] }),
  'rpc-undeclared': new RpcCommand<string>('echo', 'RPC test message'),
  'rpc-built': new RpcCommand<number>('sum', { a: 5, b: 6 }),
  'reply-success': new MessageResult('RPC message received'),
  'reply-success-message': new MessageResult({ sum: 11 }, 'added'),
  'reply-error': new MessageResultError('no such user'),
  'reply-exception': new MessageResultException('KeyError', "'group_name'"),
};

/** What JSON can not say, or says otherwise in Python: 1.0 for the float that JavaScript writes as 1. */
const NOT_WRITTEN_ALIKE = ['command-nan', 'command-infinity', 'command-float', 'forward'];

const codec = new Codec({ encoder: new JsonEncoder({ bigIntegers: 'bigint' }) });
const bytesOf = (vector: Vector): Buffer => Buffer.from(vector.body, 'utf8');
const vectorOf = (name: string): Vector => {
  const found = VECTORS.find((vector) => vector.case === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return found;
};

/** Python's text without white space between tokens, and with characters instead of escapes. The rest is literal. */
const compact = (python: string): string =>
  python.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (token) =>
    token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : '',
  );

/** What we send for the same call. Replies carry no fingerprint in Python. */
const ourMessage = (name: string): Message => {
  const message = OURS[name];
  if (message === undefined) throw new Error(`no message for the vector ${name}`);
  return name.startsWith('reply-') ? message : message.fingerprint(SENDER);
};

const messages = VECTORS.filter((vector) => vector.case !== 'forward');

describe('messages of Python Postage', () => {
  it('are all known to this test', () => {
    expect(messages.map((vector) => vector.case).toSorted()).toEqual(Object.keys(OURS).toSorted());
  });

  it.each(messages)('are decoded to what our own call builds: $case', (vector) => {
    const body = codec.decodeBody(bytesOf(vector), vector.properties.content_type);
    const ours = ourMessage(vector.case);

    expect(ours.equals({ body })).toBe(true);
    expect(body).toEqual(ours.body);
  });

  it.each(messages.filter((vector) => !NOT_WRITTEN_ALIKE.includes(vector.case)))(
    'are written by us byte for byte, but for white space and escapes: $case',
    (vector) => {
      const ours = ourMessage(vector.case);
      expect(codec.encode(ours.body).toString('utf8')).toBe(compact(vector.body));
    },
  );

  it('have their keys in the order of ours', () => {
    const body = codec.decodeBody(bytesOf(vectorOf('status')), 'application/json');
    expect(Object.keys(new MessageStatus('online').body)).toEqual(Object.keys(body));
  });

  it('may have NaN and Infinity, which we read but do not write', () => {
    const parametersOf = (name: string): unknown =>
      new Codec().decodeBody(bytesOf(vectorOf(name)), undefined).content['parameters'];

    expect(parametersOf('command-nan')).toBeNaN();
    expect(parametersOf('command-infinity')).toBe(Infinity);
    expect(() => codec.encode(OURS['command-nan']?.body)).toThrow(/NaN \(key "parameters"\)/);
  });

  it('may have integers that are rounded unless asked for as BigInt', () => {
    const bytes = bytesOf(vectorOf('command-big-integer'));
    expect(new Codec().decodeBody(bytes, undefined).content['parameters']).toBe(2 ** 63);
    expect(codec.decodeBody(bytes, undefined).content['parameters']).toBe(9_223_372_036_854_775_808n);
  });

  it('are written with 1 where Python wrote 1.0', () => {
    const body = codec.decodeBody(bytesOf(vectorOf('command-float')), undefined);
    expect(codec.encode(body).toString()).toBe(compact(vectorOf('command-float').body).replace('1.0', '1'));
  });

  it('are no messages when they were forwarded without being any', () => {
    const bytes = bytesOf(vectorOf('forward'));
    expect(codec.decode(bytes, 'application/json')).toEqual({ any: 'body' });
    expect(() => codec.decodeBody(bytes, 'application/json')).toThrow('body.type must be a string');
    expect(codec.encode({ any: 'body' }).toString()).toBe(compact(vectorOf('forward').body));
  });
});
