import type { ConnectionOptions } from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ChildProgram } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { createVhost, givenBroker, managementOf, uniqueName, type Vhost } from '../support/rabbit.js';
import { closeConnectionsOf } from './support/fault-node.js';
import { CLOSED_PORT, silent } from './support/listeners.js';
import { leaksIn, PASSWORD, shown } from './support/secret.js';
import type { SecretConfig } from './support/secret-program.js';

const PROGRAM = 'test/faults/support/secret-program.ts';
const broker = givenBroker();
const { hostname: host, port } = new URL(broker.url);
const USER = uniqueName('bearer');
const encoded = encodeURIComponent(PASSWORD);

let vhost: Vhost;
beforeAll(async () => {
  vhost = await createVhost('secrets');
  await managementOf(broker, 'PUT', `/users/${USER}`, { password: PASSWORD, tags: '' });
  const rights = { configure: '.*', write: '.*', read: '.*' };
  await managementOf(broker, 'PUT', `/permissions/${encodeURIComponent(vhost.name)}/${USER}`, rights);
});
afterAll(async () => {
  await vhost.delete();
  await managementOf(broker, 'DELETE', `/users/${USER}`);
});
useCompiled(PROGRAM);

const start = (config: SecretConfig, env: Record<string, string> = {}): ChildProgram => {
  const child = new ChildProgram(PROGRAM, {
    env: { POSTAGE_DEBUG_MODE: 'true', SECRET_CONFIG: JSON.stringify(config), ...env },
  });
  onTestFinished(() => child.close());
  return child;
};

const expectNoLeak = ({ output, errors }: ChildProgram): void => {
  expect(leaksIn(output.text, USER)).toEqual([]);
  expect(leaksIn(errors.text, USER)).toEqual([]);
};

const url = (): string => `amqp://${USER}:${encoded}@${host}:${port}/${encodeURIComponent(vhost.name)}`;
const fields = (): ConnectionOptions => ({
  host,
  port: Number(port),
  user: USER,
  password: PASSWORD,
  vhost: vhost.name,
});

describe('the search for a password', () => {
  it('finds it in all its forms', () => {
    const forms = [
      PASSWORD,
      PASSWORD.toUpperCase(),
      url(),
      url().toLowerCase(),
      'said Pumpernickel to himself',
      Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64'),
      Buffer.from(`x${PASSWORD}`).toString('base64'),
      Buffer.from(`${USER}:${PASSWORD}`).toString('base64'),
      Buffer.from(PASSWORD).toString('hex'),
      shown({ bytes: Buffer.from(PASSWORD) }),
      shown({ deep: [{ in: { an: { object: PASSWORD } } }] }),
      shown(Object.defineProperty({}, 'hidden', { value: PASSWORD, enumerable: false })),
      shown(new Error('x', { cause: Object.assign(new Error('y'), { input: url() }) })),
    ];
    expect(forms.filter((form) => leaksIn(form, USER).length === 0)).toEqual([]);
    expect(leaksIn(shown({ user: USER, address: `amqp://${host}:${port}/` }), USER)).toEqual([]);
  });
});

describe('a program with a password', () => {
  it.for([
    ['a URL', (): SecretConfig => ({ connection: { url: url() } })],
    ['options', (): SecretConfig => ({ connection: fields() })],
    [
      'a function that fails first, with all it knows',
      (): SecretConfig => ({ connection: fields(), failures: 2 }),
    ],
  ] as const)(
    'given as %s shows it nowhere: not while it works, is cut off, comes back, and ends',
    async ([, config]) => {
      const child = start(config());
      await child.saying('worked');
      await child.saying('shown');
      await closeConnectionsOf(broker, USER);
      await child.saying('lost', 2);
      await child.until(() => child.output.with('connected to').length >= 4, 'both connections again');
      child.signal('SIGTERM');
      expect(await child.exit()).toMatchObject({ code: 0 });
      expect(child.output.text).toContain('harmless');
      expectNoLeak(child);
    },
  );

  it('given by the environment shows it nowhere', async () => {
    const child = start({}, { POSTAGE_URL: url(), POSTAGE_RMQ_PASSWORD: PASSWORD, POSTAGE_RMQ_USER: USER });
    await child.saying('shown');
    expect(child.output.text + child.errors.text).toContain('POSTAGE_RMQ_PASSWORD is deprecated');
    child.signal('SIGTERM');
    await child.exit();
    expectNoLeak(child);
  });

  it.for([
    ['a user that does not exist', () => ({ ...fields(), user: 'nobody' }), 'ACCESS_REFUSED'],
    ['another virtual host', () => ({ ...fields(), vhost: 'nowhere' }), 'VHOST_REFUSED'],
    ['TLS at a port for plain AMQP', () => ({ ...fields(), tls: { passphrase: PASSWORD } }), 'TLS_FAILED'],
  ] as const)('that is refused shows it nowhere: %s', async ([, connection, code]) => {
    const child = start({ connection: connection() });
    await child.saying('failed');
    expect(child.errors.text).toContain(code);
    expectNoLeak(child);
  });

  it.for([
    ['a closed port', (): Promise<number> => Promise.resolve(CLOSED_PORT)],
    ['a listener that never speaks', silent],
  ] as const)('that reaches nobody shows it nowhere: %s', async ([, listener]) => {
    const connection = { ...fields(), port: await listener(), connectTimeoutMs: 300 };
    const child = start({ connection, attempts: 3 });
    await child.saying('shown');
    await child.exit();
    expect(child.errors.text).toContain('CONNECTION_FAILED');
    expect(child.errors.text).toContain('NOT_CONNECTED');
    expectNoLeak(child);
  });

  it.for([
    ['a password that is not encoded', () => ({ url: `amqp://${USER}:${PASSWORD}@${host}:${port}/` })],
    ['no slashes', () => ({ url: `amqp:${USER}:${encoded}@${host}` })],
    ['one slash', () => ({ url: `amqp:/${USER}:${encoded}@${host}` })],
    ['another scheme', () => ({ url: `http://${USER}:${encoded}@${host}` })],
    ['a bad port', () => ({ url: `amqp://${USER}:${encoded}@${host}:port` })],
    ['a bad encoding', () => ({ url: `amqp://${USER}:${encoded}%@${host}` })],
    ['an unknown parameter', () => ({ url: `${url()}?password=${encoded}` })],
    ['two URLs, of which one is bad', () => ({ urls: [url(), `amqp:${USER}:${encoded}@${host}`] })],
    ['an unknown option', () => ({ ...fields(), pass: PASSWORD })],
    ['a password that is no text', () => ({ ...fields(), password: [PASSWORD] })],
    ['a password in the place of the port', () => ({ ...fields(), port: PASSWORD })],
    ['a port that has no text', () => ({ ...fields(), port: { toString: PASSWORD } })],
    ['a key that can not be read', () => ({ url: url(), tls: { key: PASSWORD, passphrase: PASSWORD } })],
  ] as const)(
    'with options that are wrong shows it nowhere, not even in what Node prints of an uncaught error: %s',
    async ([, connection]) => {
      // The options are wrong on purpose.
      const child = start({ connection: connection() as unknown as ConnectionOptions, uncaught: true });
      expect(await child.exit()).toMatchObject({ code: 1 });
      expect(child.errors.text).toContain('INVALID_OPTION');
      expectNoLeak(child);
    },
  );
});
