import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ConnectionError, ConnectionOptions } from 'nestjs-postage';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { Connecting, connects, firstFailure } from './support/attempt.js';
import { identity, ownAuthority, tlsNode, trusted } from './support/tls-node.js';
import { Traffic } from './support/traffic.js';

const TEST = 'test/faults/tls.spec.ts';
/** Far less than `connectTimeoutMs`: what fails, fails at once. */
const AT_ONCE_MS = 5_000;

type Tls = Awaited<ReturnType<typeof trusted>>;

const node = tlsNode();
const unhandled = useUnhandledRejections();
let tls: Tls;
beforeAll(async () => {
  tls = await trusted();
});

const fails = async (given: ConnectionOptions): Promise<ConnectionError> => {
  const { error, tookMs } = await firstFailure({ url: node.url(), tls, ...given });
  expect(tookMs).toBeLessThan(AT_ONCE_MS);
  expect(unhandled).toEqual([]);
  return error;
};

/** Resolves with the server name that a client has asked for: TLS sends it in the clear. */
const helloThrough = async (given: (url: string) => ConnectionOptions): Promise<string> => {
  let hello = '';
  await using proxy = await TcpProxy.to(node.url('127.0.0.1'), {
    async *requests(chunks) {
      for await (const chunk of chunks) {
        hello ||= chunk.toString('latin1');
        yield chunk;
      }
    },
  });
  await connects(given(proxy.url));
  return hello;
};

describe('a TLS listener that wants a certificate of its clients', () => {
  it.for(['TLSv1.2', 'TLSv1.3'] as const)(
    'is reached with our own authority and a client certificate, by %s',
    async (version) => {
      const versions = { minVersion: version, maxVersion: version };
      expect(await connects({ url: node.url(), tls: { ...tls, ...versions } })).toMatch(/^amqps:\/\//);
    },
  );

  it('is reached by its address, and by options without a URL', async () => {
    expect(await connects({ url: node.url('127.0.0.1'), tls })).toContain('127.0.0.1');
    expect(await connects({ host: 'localhost', port: node.port, tls })).toContain('localhost');
  });

  it.for(['TLSv1.2', 'TLSv1.3'] as const)(
    'refuses a client without a certificate, and the error says what to give (%s)',
    async (maxVersion) => {
      const error = await fails({ tls: { ca: await ownAuthority(), maxVersion } });

      expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
      expect(error.message).toContain(`amqps://localhost:${node.port}`);
      expect(error.message).toContain('tls.cert');
    },
  );

  it('refuses the certificate of another authority', async () => {
    const error = await fails({ tls: { ca: tls.ca, ...(await identity('stranger')) } });
    expect(error).toMatchObject({ code: 'TLS_FAILED' });
    expect(error.message).toContain('does not accept our certificate');
  });

  it('refuses a client certificate that has expired', async () => {
    const error = await fails({ tls: { ca: tls.ca, ...(await identity('expired')) } });
    expect(error).toMatchObject({ code: 'TLS_FAILED' });
    expect(error.message).toContain('certificate expired');
  });

  it('is not trusted without its authority', async () => {
    const { ca: _ca, ...others } = tls;
    const error = await fails({ tls: others });
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
    expect(error.message).toContain('tls.ca');
  });

  it('is not trusted under another name, and the error holds both names', async () => {
    const error = await fails({ tls: { ...tls, servername: 'rabbit.example' } });
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
    expect(error.message).toContain('rabbit.example');
    expect(error.message).toContain('DNS:localhost');
    expect(error.message).toContain('tls.servername');
  });

  it('refuses a certificate and a key that do not belong together before anybody connects', async () => {
    const { key } = await identity('stranger');
    await expect(async () => connects({ url: node.url(), tls: { ...tls, key } })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'connection.tls',
    });
  });
});

describe('the server name of the handshake', () => {
  it('is the host of the URL', async () => {
    const hello = await helloThrough((url) => ({ url: url.replace('127.0.0.1', 'localhost'), tls }));
    expect(hello).toContain('localhost');
  });

  it('is none where the host is an address', async () => {
    expect(await helloThrough((url) => ({ url, tls }))).not.toContain('127.0.0.1');
  });

  it('is what the options say', async () => {
    const hello = await helloThrough((url) => ({ url, tls: { ...tls, servername: 'localhost' } }));
    expect(hello).toContain('localhost');
  });
});

describe('a mistaken port', () => {
  it('fails with TLS at a plain listener', async () => {
    const { port } = new URL(node.plain.url);
    const error = await fails({ url: `amqps://localhost:${port}` });
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
    expect(error.message).toContain('does not speak TLS');
  });

  it('fails without TLS at a TLS listener, with a hint', async () => {
    const error = await fails({ url: `amqp://localhost:${node.port}`, tls: undefined });
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
    expect(error.message).toContain('amqps://');
  });

  it('fails with TLS at a listener that never speaks, within the limit', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const error = await fails({ url: `amqps://127.0.0.1:${port}`, connectTimeoutMs: 500 });
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(error.message).toContain('within 500 ms');
  });
});

describe('a TLS connection', () => {
  it('that is cut comes back, and nothing is lost', async () => {
    await using proxy = await TcpProxy.to(node.url('127.0.0.1'));
    const numbers = await Traffic.start({ options: { connection: { url: proxy.url, tls } } });

    const { resumeMs } = await numbers.resumedAfter(() => proxy.cut());

    const totals = await numbers.finish({ fault: 'TLS connection cut', test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
    await numbers.close();
  });

  it('whose broker has renewed its certificate too late comes back with the renewal', async () => {
    await using proxy = await TcpProxy.to(node.url('127.0.0.1'));
    onTestFinished(() => node.present('server'));
    const reconnect = { initialDelayMs: 50, maxDelayMs: 200 };
    const numbers = await Traffic.start({ options: { connection: { url: proxy.url, tls }, reconnect } });

    const { resumeMs } = await numbers.resumedAfter(async () => {
      await node.present('expired');
      proxy.cut();
      const failed = numbers.receiverEvents.of('connection.failed');
      const [{ error } = { error: undefined }] = await failed.take(1, 30_000);
      expect(error).toMatchObject({ code: 'TLS_FAILED' });
      await node.present('server');
      return performance.now();
    });

    const totals = await numbers.finish({
      fault: "the broker's certificate expires, and is renewed",
      test: TEST,
      resumeMs,
    });
    expect(totals.lost).toBe(0);
    await numbers.close();
  });
});

describe('a broker that shows the certificate', () => {
  it.for([
    ['of another host', 'elsewhere', 'DNS:elsewhere.example'],
    ['that has expired', 'expired', 'has expired'],
    ['that it has signed itself', 'stranger', 'not signed by an authority'],
  ] as const)('%s is not trusted, until it shows another', async ([, name, part]) => {
    onTestFinished(() => node.present('server'));
    await node.present(name);
    const error = await fails({});
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
    expect(error.message).toContain(part);

    await node.present('server');
    await connects({ url: node.url(), tls });
  });

  it('of another host is trusted under the name that is expected', async () => {
    onTestFinished(() => node.present('server'));
    await node.present('elsewhere');
    const named = { ...tls, servername: 'elsewhere.example' };
    expect(await connects({ url: node.url(), tls: named })).toContain('localhost');
  });

  it('of another host is one of several reasons, where no address is of use', async () => {
    onTestFinished(() => node.present('server'));
    await node.present('elsewhere');
    const urls = [node.url(), node.plain.url.replace('amqp:', 'amqps:')];
    await using application = new Connecting({ urls, tls });
    const [error] = await application.failures(1);
    // All of them are refused for good, each for its own reason.
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true });
    expect(error?.message).toContain('DNS:elsewhere.example');
    expect(error?.message).toContain('does not speak TLS');
    await application.client.close();

    await node.present('server');
    expect(await connects({ urls, tls })).toContain(`:${node.port}/`);
  });
});
