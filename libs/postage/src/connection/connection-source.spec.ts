import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ConnectionError } from '../errors.js';
import { ConnectionSource, type ConnectionProvider } from './connection-source.js';
import type { ConnectionOptions } from './options.js';

const failureOf = async (provider: unknown): Promise<ConnectionError> => {
  // A provider written in JavaScript may be anything.
  const source = new ConnectionSource(provider as ConnectionProvider);
  const error: unknown = await source.resolve(undefined).catch((reason: unknown) => reason);
  if (!(error instanceof ConnectionError)) throw new Error(`no connection error: ${inspect(error)}`);
  return error;
};

const FAILING: readonly (readonly [how: string, provider: () => unknown, part: string])[] = [
  [
    'throws',
    () => {
      throw new Error('vault is sealed');
    },
    'vault is sealed',
  ],
  ['rejects', () => Promise.reject(new Error('vault is sealed')), 'vault is sealed'],
  [
    'throws no error',
    () => {
      throw 'vault is sealed';
    },
    'vault is sealed',
  ],
  ['returns nothing', () => undefined, 'must be an object'],
  ['returns a text', () => 'amqp://host', 'must be an object'],
  ['returns a list', () => [], 'must be an object'],
  ['returns an option that is none', () => ({ pasword: 'x' }), 'connection.pasword'],
  ['returns a wrong option', async () => ({ port: 'x' }), 'connection.port'],
];

describe('a function that gives the connection options', () => {
  it('is asked each time', async () => {
    let asked = 0;
    const source = new ConnectionSource((): ConnectionOptions => ({ user: `u${(asked += 1)}` }));
    const users = [await source.resolve(undefined), await source.resolve(undefined)].map(
      ({ endpoints: [{ user }] }) => user,
    );
    expect(users).toEqual(['u1', 'u2']);
  });

  it.for(FAILING)('fails when it %s, for a while', async ([, provider, part]) => {
    const error = await failureOf(provider);
    expect(error).toMatchObject({ code: 'PROVIDER_FAILED', permanent: false });
    expect(error.message).toContain(part);
  });

  it('fails when it does not answer, within the time that it gave itself', async () => {
    const answers = [Promise.resolve({ connectTimeoutMs: 20 }), new Promise<never>(() => undefined)];
    const source = new ConnectionSource(() => answers.shift() ?? {});
    await source.resolve(undefined);
    await expect(source.resolve(undefined)).rejects.toMatchObject({
      code: 'PROVIDER_FAILED',
      message: expect.stringContaining('within 20 ms') as string,
    });
  });

  it('is waited for no longer when nobody wants the connection any more', async () => {
    const stop = new AbortController();
    const source = new ConnectionSource(() => new Promise<never>(() => undefined));
    const resolving = source.resolve(stop.signal);
    stop.abort(new Error('closed'));
    await expect(resolving).rejects.toMatchObject({ code: 'PROVIDER_FAILED' });
  });

  it('shows none of what its errors carry, such as the request with its token', async () => {
    const inner = Object.assign(new TypeError('fetch failed'), { headers: { token: 'hunter2' } });
    const outer = Object.assign(new Error('no secret', { cause: inner }), { config: { token: 'hunter2' } });
    const error = await failureOf(() => Promise.reject(outer));
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain('hunter2');
    expect(inspect(error)).toContain('fetch failed');
    expect(error.cause).toMatchObject({ name: 'Error', stack: outer.stack, cause: { name: 'TypeError' } });
  });
});
