import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ChildProgram } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { createVhost, management, uniqueName, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { report } from './support/measure.js';
import type { StarterConfig } from './programs/starter.js';

const TEST = 'test/faults/startup.spec.ts';
const PROGRAM = 'test/faults/programs/starter.ts';
const RECONNECT = { initialDelayMs: 50, maxDelayMs: 100 };
const PASSWORD = 'sehr-geheim-4711';

useCompiled(PROGRAM);
let vhost: Vhost;
let proxy: TcpProxy;

beforeEach(async () => {
  vhost = await createVhost('startup');
  proxy = await TcpProxy.to(vhost.url);
  onTestFinished(async () => {
    await proxy.close();
    await vhost.delete();
  });
});

const start = (startup: StarterConfig['startup'], url = proxy.url): ChildProgram => {
  const config: StarterConfig = { startup, reconnect: RECONNECT, connection: { url } };
  const child = new ChildProgram(PROGRAM, { args: [JSON.stringify(config)] });
  onTestFinished(() => child.close());
  return child;
};

const refusal = async (child: ChildProgram): Promise<Readonly<Record<string, unknown>>> => {
  const [refused = { event: '' }] = await child.saying('refused');
  // Nothing keeps it alive.
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  return refused;
};

const handles = async (child: ChildProgram, id: string): Promise<void> => {
  await using peer = await RawPeer.connect(vhost.url);
  const name = 'job';
  const message = { type: 'command', name, category: 'message', version: '2', fingerprint: {} };
  peer.publish('', 'jobs', { ...message, content: { parameters: id }, _reserved: {} });
  await child.until(() => child.said('job').some((said) => said['id'] === id), `job ${id}`);
};

const badUrls = (): readonly (readonly [string, string])[] => {
  const [password, missing] = [new URL(proxy.url), new URL(proxy.url)];
  password.password = PASSWORD;
  missing.pathname = `/${uniqueName('nowhere')}`;
  return [
    ['ACCESS_REFUSED', password.href],
    ['VHOST_REFUSED', missing.href],
  ];
};

describe('a program that starts while the broker is not there', () => {
  it('waits for it, and consumes once it is there', async () => {
    proxy.refuse();
    const child = start('wait');
    await child.saying('failed', 5);
    expect(child.said('started')).toEqual([]);
    const begunMs = performance.now();
    await proxy.accept();
    await child.saying('started');
    const resumeMs = performance.now() - begunMs;
    await handles(child, 'first');
    child.signal('SIGTERM');
    await child.exit();
    report({ fault: 'no broker at the start (wait)', test: TEST, resumeMs });
  });

  it('that is told to fail fast says so after one attempt', async () => {
    proxy.refuse();
    const child = start('failFast');
    expect(await refusal(child)).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(child.said('connecting')).toHaveLength(1);
  });

  it.each([
    [{ mode: 'wait', maxAttempts: 4 } as const, 4],
    [{ mode: 'wait', timeoutMs: 400 } as const, undefined],
  ])('gives up at its limit %j', async (startup, attempts) => {
    proxy.refuse();
    const child = start(startup);
    const { code, message } = await refusal(child);
    expect([code, message]).toEqual(['CONNECTION_FAILED', expect.stringContaining('gave up after')]);
    if (attempts === undefined) expect(child.said('connecting').length).toBeGreaterThan(1);
    else expect(child.said('connecting')).toHaveLength(attempts);
  });

  it('that may start in the background has started at once, and consumes once the broker is there', async () => {
    proxy.refuse();
    const child = start('background');
    const [started] = await child.saying('started');
    expect(started).not.toMatchObject({ state: 'ready' });
    await child.saying('failed', 3);
    await proxy.accept();
    await child.saying('ready');
    await handles(child, 'late');
    child.signal('SIGTERM');
    expect(await child.exit()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('gives up in the background, too: with nothing else to do it ends, and not as if all were well', async () => {
    proxy.refuse();
    const child = start({ mode: 'background', maxAttempts: 3 });
    await child.saying('started');
    expect(await child.exit()).toEqual({ code: 1, signal: null });
    // Three attempts, the last one without a next.
    expect(child.said('connecting')).toHaveLength(3);
    expect(child.said('failed').filter(({ retryInMs }) => typeof retryInMs === 'number')).toHaveLength(2);
  });

  it('ends when it is told to while it waits', async () => {
    proxy.refuse();
    const child = start('wait');
    await child.saying('failed', 2);
    child.signal('SIGTERM');
    expect(await child.exit()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.errors.text).not.toContain('Unhandled');
  });

  it('or that nobody answers on the port: an attempt has its limit', async () => {
    proxy.freeze();
    const url = new URL(proxy.url);
    url.search = '?connection_timeout=300';
    const child = start('failFast', url.href);
    expect(await refusal(child)).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});

describe('a program whose user or virtual host is refused', () => {
  it.each(['wait', 'failFast'] as const)('says which at once, when it starts with %s', async (mode) => {
    for (const [code, url] of badUrls()) {
      const child = start(mode, url);
      expect(await refusal(child)).toMatchObject({ code });
      expect(child.said('connecting')).toHaveLength(1);
      expect(child.output.text + child.errors.text).not.toContain(PASSWORD);
    }
  });

  it('goes on trying in the background, and consumes once that is mended', async () => {
    const path = `/permissions/${encodeURIComponent(vhost.name)}/guest`;
    await management('DELETE', path);
    const child = start('background');
    await child.saying('started');
    await child.saying('failed', 2);
    await management('PUT', path, { configure: '.*', write: '.*', read: '.*' });
    await child.saying('ready');
    await handles(child, 'mended');
    child.signal('SIGTERM');
    expect(await child.exit()).toEqual({ code: null, signal: 'SIGTERM' });
  });
});
