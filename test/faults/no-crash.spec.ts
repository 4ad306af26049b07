import { randomUUID } from 'node:crypto';
import type { Options } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChildProgram } from '../support/child-program.js';
import { useCompiled } from '../support/compiled.js';
import { eventually } from '../support/eventually.js';
import { managementOf, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { faultNode, type NodeUser } from './support/fault-node.js';
import { report } from './support/measure.js';

const TEST = 'test/faults/no-crash.spec.ts';
const PROGRAM = 'test/faults/programs/fragile.ts';
const KINDS = ['error', 'text', 'nothing', 'null', 'object', 'hostile'];

useCompiled(PROGRAM);
const node = faultNode();
let vhost: Vhost;
let user: NodeUser;
let proxy: TcpProxy;
let child: ChildProgram;
let survived = 0;

// One process lives through all of it. Nobody in it listens for errors, and its observer, logger and listeners are broken.
beforeAll(async () => {
  vhost = await node.vhost('crash');
  user = await node.user(vhost);
  proxy = await TcpProxy.to(user.url);
  const connection = { url: proxy.url, heartbeatSeconds: 1, connectTimeoutMs: 1_000 };
  child = new ChildProgram(PROGRAM, { args: [JSON.stringify(connection)] });
  await child.saying('started');
});

afterAll(async () => {
  await child.close();
  await proxy.close();
});

interface Parts {
  readonly category?: 'message' | 'rpc';
  readonly parameters?: unknown;
}

const body = (name: string, { category = 'message', parameters = {} }: Parts = {}): object => {
  const head = { type: 'command', name, category, version: '2' };
  return { ...head, fingerprint: {}, content: { parameters }, _reserved: {} };
};

const send = async (content: object | Buffer | string, options: Options.Publish = {}): Promise<void> => {
  await using peer = await RawPeer.connect(vhost.url);
  peer.publish('', 'fragile', content, options);
  // Goes out behind it.
  await peer.channel.close();
};

/**
 * What it has said on stderr, once it has handled a message that is sent after everything else: again and again, where the
 * queue may be gone.
 */
const errorsOnceAlive = async (): Promise<string> => {
  const id = randomUUID();
  await eventually(async () => {
    await send(body('alive', { parameters: id }));
    await child.until(() => child.said('alive').some((said) => said['id'] === id), `alive ${id}`, 1_000);
  }, 30_000);
  survived += 1;
  return child.errors.text;
};

describe('a process without any listener for errors, whose observer, logger and listeners throw', () => {
  it.each(KINDS)('lives on when handlers throw, at once and later: %s', async (kind) => {
    await send(body('throw', { parameters: kind }));
    await send(body('reject', { parameters: kind }));
    await send(body('throw', { category: 'rpc', parameters: kind }), { replyTo: 'nobody' });
    expect(await errorsOnceAlive()).toBe('');
  });

  it('lives on when a filter, an encoder or a reply throws', async () => {
    await send(body('filtered'));
    await send('whatever', { contentType: 'application/broken' });
    await send(body('unwritable', { category: 'rpc' }), { replyTo: 'nobody' });
    await send(body('twice', { category: 'rpc' }), { replyTo: 'nobody' });
    await send(body('unknown', { category: 'rpc' }), { replyTo: 'x'.repeat(255) });
    expect(await errorsOnceAlive()).toBe('');
  });

  it.each(['', '{', 'null', '[]', '"text"', '{"category":"rpc"}', '\u0000', '[['.repeat(20_000)])(
    'lives on with bytes that are no message: %j',
    async (bytes) => {
      await send(bytes, { replyTo: 'nobody', headers: { 'postage-remaining-ms': 'soon', 'x-death': [] } });
      expect(await errorsOnceAlive()).toBe('');
    },
  );

  it('lives on when the operator closes its connections', async () => {
    await node.closeConnectionsOf(user);
    expect(await errorsOnceAlive()).toBe('');
  });

  it('lives on when its queue is deleted', async () => {
    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.deleteQueue('fragile');
    expect(await errorsOnceAlive()).toBe('');
  });

  it('lives on when its rights are taken away, and given back', async () => {
    const path = `/permissions/${encodeURIComponent(vhost.name)}/${user.name}`;
    await managementOf(node, 'PUT', path, { configure: '^$', write: '^$', read: '^$' });
    await node.closeConnectionsOf(user);
    const { length } = child.said('refused');
    await child.saying('refused', length + 2);
    await managementOf(node, 'PUT', path, { configure: '.*', write: '.*', read: '.*' });
    expect(await errorsOnceAlive()).toBe('');
  });

  it('lives on when the line is reset, ended, frozen, or refused', async () => {
    for (const fault of ['cut', 'strand', 'end'] as const) {
      proxy[fault]();
      expect(await errorsOnceAlive()).toBe('');
    }
    proxy.freeze();
    // Its heartbeat, one second, notices.
    const { length } = child.said('lost');
    await child.saying('lost', length + 1);
    proxy.thaw();
    expect(await errorsOnceAlive()).toBe('');
    proxy.refuse();
    proxy.cut();
    await proxy.accept();
    expect(await errorsOnceAlive()).toBe('');
  });

  it('lives on when the broker is killed and started again', async () => {
    await node.kill();
    await node.restart();
    expect(await errorsOnceAlive()).toBe('');
  });

  it('and ends in order when it is told to', async () => {
    child.signal('SIGTERM');
    expect(await child.exit()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.output.text + child.errors.text).not.toMatch(/unhandled|uncaught/i);
    const fault = 'throwing handlers, observers, listeners, loggers; and every fault above';
    report({ fault, test: TEST, survived });
  });
});
