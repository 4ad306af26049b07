import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { resolveConnection, type ConnectionOptions } from './options.js';

const only = (given: ConnectionOptions, environment: Record<string, string> = {}) => {
  const [{ protocol, host, port, user, vhost }] = resolveConnection(given, environment).endpoints;
  return { protocol, host, port, user, vhost };
};

const password = (given: ConnectionOptions, environment: Record<string, string> = {}): string =>
  resolveConnection(given, environment).endpoints[0].password();

const problem = (
  given: object,
  environment: Record<string, string> = {},
): { option: string; message: string } => {
  try {
    resolveConnection(given, environment);
  } catch (error) {
    return error as { option: string; message: string };
  }
  throw new Error('nothing was refused');
};

describe('resolveConnection', () => {
  it('falls back to a bare RabbitMQ on this machine', () => {
    expect(only({})).toEqual({ protocol: 'amqp', host: 'localhost', port: 5672, user: 'guest', vhost: '/' });
    expect(password({})).toBe('guest');
    expect(resolveConnection({}, {})).toMatchObject({
      heartbeatSeconds: 15,
      connectTimeoutMs: 10_000,
      tls: {},
    });
  });

  it('decodes user, password and vhost of a URL', () => {
    const url = 'amqps://us%40er:p%2Fa%25s%3A@[::1]:5679/v%2Fh';
    expect(only({ url })).toEqual({
      protocol: 'amqps',
      host: '::1',
      port: 5679,
      user: 'us@er',
      vhost: 'v/h',
    });
    expect(password({ url })).toBe('p/a%s:');
  });

  it('takes options as they are, percent signs and all', () => {
    expect(only({ user: 'a%2F', vhost: 'b@c/d' })).toMatchObject({ user: 'a%2F', vhost: 'b@c/d' });
  });

  it('lets an option win over the URL, and the URL over the environment', () => {
    const environment = {
      POSTAGE_USER: 'env',
      POSTAGE_VHOST: 'env',
      POSTAGE_PORT: '1234',
      POSTAGE_HOST: 'env',
    };
    expect(only({ url: 'amqp://url@host', vhost: 'option' }, environment)).toEqual({
      protocol: 'amqp',
      host: 'host',
      port: 1234,
      user: 'url',
      vhost: 'option',
    });
  });

  it('reads POSTAGE_URL unless a URL or a host is given', () => {
    const environment = { POSTAGE_URL: 'amqp://env-host/env-vhost' };
    expect(only({}, environment)).toMatchObject({ host: 'env-host', vhost: 'env-vhost' });
    expect(only({ vhost: 'mine' }, environment)).toMatchObject({ host: 'env-host', vhost: 'mine' });
    expect(only({ host: 'mine' }, environment)).toMatchObject({ host: 'mine', vhost: '/' });
    expect(only({ url: 'amqp://mine' }, environment)).toMatchObject({ host: 'mine', vhost: '/' });
  });

  it('still reads the deprecated variables, with a warning for each', () => {
    const warnings: string[] = [];
    const environment = { POSTAGE_RMQ_USER: 'old', POSTAGE_RMQ_PASSWORD: 'secret' };
    const [endpoint] = resolveConnection({}, environment, (text) => warnings.push(text)).endpoints;
    expect([endpoint.user, endpoint.password()]).toEqual(['old', 'secret']);
    expect(warnings).toEqual([
      expect.stringContaining('POSTAGE_RMQ_USER is deprecated: use POSTAGE_USER') as string,
      expect.stringContaining('POSTAGE_RMQ_PASSWORD is deprecated: use POSTAGE_PASSWORD') as string,
    ]);
    expect(warnings.join()).not.toContain('secret');
  });

  it('prefers the new variables, silently', () => {
    const warnings: string[] = [];
    const environment = { POSTAGE_USER: 'new', POSTAGE_RMQ_USER: 'old' };
    expect(resolveConnection({}, environment, (text) => warnings.push(text)).endpoints[0].user).toBe('new');
    expect(warnings).toEqual([]);
  });

  it('takes an empty variable as absent', () => {
    expect(only({}, { POSTAGE_VHOST: '', POSTAGE_URL: '' })).toMatchObject({ vhost: '/', host: 'localhost' });
  });

  it('keeps several addresses, with one set of credentials for those that have none', () => {
    const { endpoints } = resolveConnection(
      { urls: ['amqp://a', 'amqp://u:p@b:1/v'], user: undefined },
      { POSTAGE_USER: 'x' },
    );
    expect(endpoints.map(({ address, user }) => [address, user])).toEqual([
      ['amqp://a:5672/%2F', 'x'],
      ['amqp://b:1/v', 'u'],
    ]);
  });

  it('uses TLS for amqps URLs and for tls options, on port 5671', () => {
    expect(only({ url: 'amqps://host' })).toMatchObject({ protocol: 'amqps', port: 5671 });
    expect(only({ host: 'host', tls: true })).toMatchObject({ protocol: 'amqps', port: 5671 });
    expect(resolveConnection({ tls: { servername: 'broker' } }, {}).tls).toEqual({ servername: 'broker' });
  });

  it('reads heartbeat and connection_timeout of the URL', () => {
    const resolved = resolveConnection({ url: 'amqp://host?heartbeat=5&connection_timeout=700' }, {});
    expect(resolved).toMatchObject({ heartbeatSeconds: 5, connectTimeoutMs: 700 });
  });

  it.for([
    [{ url: 'http://host' }, 'connection.url'],
    [{ url: 'not a url' }, 'connection.url'],
    [{ url: 'amqp://u:p%zz@host' }, 'connection.url'],
    [{ url: 'amqp://host?frobnicate=1' }, 'connection.url'],
    [{ urls: [] }, 'connection.urls'],
    [{ urls: ['amqp://a', 'nope'] }, 'connection.urls[1]'],
    [{ url: 'amqp://a', urls: ['amqp://b'] }, 'connection.urls'],
    [{ url: 'amqps://a', tls: false }, 'connection.tls'],
    [{ port: 70_000 }, 'connection.port'],
    [{ host: '' }, 'connection.host'],
    [{ heartbeatSeconds: -1 }, 'connection.heartbeatSeconds'],
    [{ connectTimeoutMs: 0 }, 'connection.connectTimeoutMs'],
    [{ username: 'x' }, 'connection.username'],
    [{ vhost: 'v'.repeat(256) }, 'connection.vhost'],
    [{ tls: { cert: 'no certificate' } }, 'connection.tls'],
    [{ tls: { minVersion: 'TLSv9' as 'TLSv1.3' } }, 'connection.tls'],
  ] as const)('refuses %j, naming %s', ([given, option]) => {
    expect(problem(given).option).toBe(option);
  });

  it('refuses a POSTAGE_PORT that is no port', () => {
    expect(problem({}, { POSTAGE_PORT: 'amqp' }).option).toBe('POSTAGE_PORT');
  });

  it.each([
    ['without the slashes', 'amqp:u:hunter2@host'],
    ['with one slash', 'amqp:/u:hunter2@host'],
    ['with three slashes', 'amqp:///u:hunter2@host'],
    ['with a raw / in the password', 'amqp://u:1/hunter2@host'],
    ['with a raw ? in the password', 'amqp://u:1?hunter2@host'],
    ['with a raw # in the password', 'amqp://u:1#hunter2@host'],
    ['with a raw # and no more @', 'amqp://u:1#hunter2'],
  ])('refuses a URL %s, which would take the password for something to show', (_how, url) => {
    const refused = problem({ url });
    expect(refused.option).toBe('connection.url');
    expect(refused.message).toContain('Percent-encode');
    expect(inspect(refused)).not.toContain('hunter2');
  });

  it('repeats nothing that was given in the place of a passphrase', () => {
    const { message } = problem({ tls: { key: 'key', passphrase: 4711 as unknown as string } });
    expect(message).toMatch(/^connection\.tls: can not be used: /);
    expect(message).not.toContain('4711');
  });

  it('shows the password nowhere: not in errors, not when printed', () => {
    const secret = 'hunter2';
    const urls = [
      `amqp://u:${secret}%@host`,
      `amqp//u:${secret}@host`,
      `http://u:${secret}@host`,
      `amqp://u:${secret}@host?x=1`,
    ];
    for (const url of urls) {
      expect(inspect(problem({ url }), { depth: 9, showHidden: true })).not.toContain(secret);
    }
    const resolved = resolveConnection({ url: `amqp://u:${secret}@host` }, {});
    expect(inspect(resolved, { depth: 9, showHidden: true }) + JSON.stringify(resolved)).not.toContain(
      secret,
    );
  });
});
