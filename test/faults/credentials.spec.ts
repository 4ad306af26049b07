import {
  PostageConnection,
  type ConnectionError,
  type ConnectionOptions,
  type ConnectionProvider,
} from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { givenBroker, managementOf, createVhost, uniqueName, type Vhost } from '../support/rabbit.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { Connecting, connects, firstFailure } from './support/attempt.js';
import { closeConnectionsOf, createUser, deleteUser, type NodeUser } from './support/fault-node.js';
import { answering, CLOSED_PORT, dribbling, hangingUp, silent } from './support/listeners.js';
import { Traffic } from './support/traffic.js';

const TEST = 'test/faults/credentials.spec.ts';
const AT_ONCE_MS = 5_000;
const broker = givenBroker();
const { hostname: host, port: portText } = new URL(broker.url);
const port = Number(portText);
const path = encodeURIComponent;

const unhandled = useUnhandledRejections();
let vhost: Vhost;
let user: NodeUser;
beforeAll(async () => {
  vhost = await createVhost('credentials');
  user = await createUser(broker, vhost);
});
afterAll(async () => {
  await vhost.delete();
  await deleteUser(broker, user);
});

const setPassword = (name: string, password: string): Promise<void> =>
  managementOf(broker, 'PUT', `/users/${path(name)}`, { password, tags: '' });

const fails = async (given: ConnectionOptions): Promise<ConnectionError> => {
  const { error, tookMs } = await firstFailure(given);
  expect(tookMs).toBeLessThan(AT_ONCE_MS);
  expect(unhandled).toEqual([]);
  return error;
};

describe('what keeps an application from its broker', () => {
  it('is told as refused credentials', async () => {
    const error = await fails({ url: user.url, password: 'wrong' });
    expect(error).toMatchObject({ code: 'ACCESS_REFUSED', permanent: true });
    expect(error.message).toContain(`amqp://${host}:${port}`);
  });

  it('is told as refused credentials of a user that does not exist', async () => {
    expect(await fails({ url: user.url, user: 'nobody' })).toMatchObject({ code: 'ACCESS_REFUSED' });
  });

  it('is told as a virtual host that does not exist', async () => {
    const error = await fails({ url: broker.url, vhost: 'nowhere' });
    expect(error).toMatchObject({ code: 'VHOST_REFUSED', permanent: true });
    expect(error.message).toContain('vhost nowhere not found');
  });

  it('is told as a virtual host that the user may not enter', async () => {
    const error = await fails({ url: user.url, vhost: '/' });
    expect(error).toMatchObject({ code: 'VHOST_REFUSED', permanent: true });
    expect(error.message).toContain(`refused for user '${user.name}'`);
  });

  it.for([
    ['a closed port', { host: '127.0.0.1', port: CLOSED_PORT }, 'ECONNREFUSED'],
    ['a name that leads nowhere', { host: 'no-such-host.invalid' }, 'no-such-host.invalid'],
  ] as const)('is told as unreachable: %s', async ([, given, part]) => {
    const error = await fails(given);
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
    expect(error.message).toContain(part);
  });

  it.for([
    ['never speaks', silent],
    ['speaks for ever without saying anything', dribbling],
  ] as const)('is told as unreachable: a listener that %s, within the limit', async ([, listener]) => {
    const given = { host: '127.0.0.1', port: await listener(), connectTimeoutMs: 500 };
    const error = await fails(given);
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
    expect(error.message).toContain('it was not open within 500 ms');
  });

  it.for([
    ['hangs up', hangingUp],
    ['speaks HTTP', () => answering('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ] as const)('is told as unreachable: a listener that %s', async ([, listener]) => {
    const error = await fails({ host: '127.0.0.1', port: await listener() });
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
    expect(error.message).toContain('another port');
  });

  it('is not waited for by whoever closes the application meanwhile', async () => {
    const application = new Connecting({ host: '127.0.0.1', port: await silent(), connectTimeoutMs: 60_000 });
    const begin = performance.now();
    await application[Symbol.asyncDispose]();
    expect(performance.now() - begin).toBeLessThan(1_500);
  });
});

describe('a limit of connections', () => {
  it('of a virtual host is told as what it is, and tried again until there is room', async () => {
    const limits = `/vhost-limits/${path(vhost.name)}/max-connections`;
    await managementOf(broker, 'PUT', limits, { value: 0 });
    onTestFinished(async () => {
      await managementOf(broker, 'DELETE', limits).catch(() => undefined);
    });
    await using application = new Connecting({ url: user.url });

    const [first] = await application.failures(2);
    expect(first).toMatchObject({ code: 'LIMIT_REACHED', permanent: false });
    expect(first?.message).toContain('connection limit (0) is reached');

    await managementOf(broker, 'DELETE', limits);
    await application.client.connect();
  });

  it('of a user is told as what it is', async () => {
    const limited = await createUser(broker, vhost);
    onTestFinished(() => deleteUser(broker, limited));
    const limits = `/user-limits/${path(limited.name)}/max-connections`;
    await managementOf(broker, 'PUT', limits, { value: 0 });
    const error = await fails({ url: limited.url });
    expect(error).toMatchObject({ code: 'LIMIT_REACHED', permanent: false });
    expect(error.message).toContain('limit (0) is reached');
  });
});

describe('user, password and virtual host', () => {
  it.for(['a/b@c%d:e#f g?h', 'gr\u00fc\u00df-\u65e5\u672c-\u{1f407}', '%41%2F', '\'"\\&=+;,$[]{}|^`<>'])(
    'may be %s, as options and percent-encoded in a URL',
    async (strange) => {
      const name = uniqueName(strange);
      const [at, password] = [path(name), `${strange}!`];
      onTestFinished(async () => {
        await managementOf(broker, 'DELETE', `/vhosts/${at}`);
        await managementOf(broker, 'DELETE', `/users/${at}`);
      });
      await managementOf(broker, 'PUT', `/vhosts/${at}`);
      await setPassword(name, password);
      const rights = { configure: '.*', write: '.*', read: '.*' };
      await managementOf(broker, 'PUT', `/permissions/${at}/${at}`, rights);

      const address = `amqp://${host}:${port}/${at}`;
      expect(await connects({ host, port, user: name, password, vhost: name })).toBe(address);
      expect(await connects({ url: `amqp://${at}:${path(password)}@${host}:${port}/${at}` })).toBe(address);
    },
  );
});

describe('a function that gives the credentials', () => {
  it('is asked at every connect: a changed password is used, and consuming goes on', async () => {
    const rotating = await createUser(broker, vhost);
    onTestFinished(() => deleteUser(broker, rotating));
    let password = rotating.password;
    const connection: ConnectionProvider = async () => ({ url: rotating.url, password });
    const reconnect = { initialDelayMs: 50, maxDelayMs: 500 };
    const numbers = await Traffic.start({ options: { connection, reconnect } });

    const { resumeMs } = await numbers.resumedAfter(async () => {
      await setPassword(rotating.name, 'the next one');
      await closeConnectionsOf(broker, rotating.name);
      // Until the secret has come to this process, the old one is tried, and refused.
      const [{ error } = { error: undefined }] = await numbers.receiverEvents.of('connection.failed').take(1);
      expect(error).toMatchObject({ code: 'ACCESS_REFUSED' });
      password = 'the next one';
      return performance.now();
    });

    const totals = await numbers.finish({
      fault: 'password changed, connections killed',
      test: TEST,
      resumeMs,
    });
    expect(totals.lost).toBe(0);
  });

  it.for([
    ['throws', () => Promise.reject(new Error('vault is sealed')), 'vault is sealed'],
    ['gives nonsense', () => ({ port: 'x' }), 'connection.port'],
    ['never answers', () => new Promise(() => undefined), 'within 300 ms'],
  ] as const)('is asked again when it %s, with waits in between', async ([, failing, part]) => {
    const answers: (() => unknown)[] = [failing, failing];
    let asked = 0;
    const provider = (): unknown => {
      asked += 1;
      // The first time it answers, and says how long it may take: the connection that this gives is refused.
      if (asked === 1) return { host: '127.0.0.1', port: CLOSED_PORT, connectTimeoutMs: 300 };
      return answers.shift()?.() ?? { url: user.url };
    };
    // A provider written in JavaScript may give anything.
    await using application = new Connecting(provider as ConnectionProvider);

    const [, second, third] = await application.failures(3);
    for (const error of [second, third]) {
      expect(error).toMatchObject({ code: 'PROVIDER_FAILED', permanent: false });
      expect(error?.message).toContain(part);
    }
    await application.client.connect();
    expect(unhandled).toEqual([]);
  });

  it('is waited for no longer when the application closes', async () => {
    const application = new Connecting(() => new Promise<never>(() => undefined));
    const begin = performance.now();
    await application[Symbol.asyncDispose]();
    expect(performance.now() - begin).toBeLessThan(1_500);
  });
});

describe('updateSecret', () => {
  it('gives the broker a new secret on both connections, which stay open', async () => {
    let sent = '';
    await using proxy = await TcpProxy.to(user.url, {
      async *requests(chunks) {
        for await (const chunk of chunks) {
          sent += chunk.toString('latin1');
          yield chunk;
        }
      },
    });
    const numbers = await Traffic.start({ options: { connection: { url: proxy.url } } });
    const apps = [numbers.receiver, numbers.sender];
    await Promise.all(apps.map((app) => app.get(PostageConnection).updateSecret('the next token')));

    await numbers.handlesMore();
    // One consumes, one publishes: each has told it by the connection that it has.
    expect(sent.match(/the next token/g)).toHaveLength(2);
    expect([...numbers.receiverEvents.of('connection.lost').items]).toEqual([]);
    expect((await numbers.totals()).lost).toBe(0);
  });

  it('does nothing where nothing is open, and fails where the connection ends meanwhile', async () => {
    await using proxy = await TcpProxy.to(user.url);
    await using application = new Connecting({ url: proxy.url });
    const connection = await application.client.connect();
    proxy.freeze();
    const failed = connection.updateSecret('the next token').catch((error: unknown) => error);
    proxy.cut();
    expect(await failed).toMatchObject({ code: 'CONNECTION_LOST' });
    proxy.thaw();
    await connection.close();
    await connection.updateSecret('another');
    expect(unhandled).toEqual([]);
  });
});
