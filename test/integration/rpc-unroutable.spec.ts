import type { ConnectionOptions } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { TEST_BROKERS, type TestBroker } from '../support/test-brokers.js';
import { Gate } from './rpc-once-asker.js';
import { useRpcWorld } from './rpc-world.js';

type Chunks = AsyncIterable<Buffer>;

/** What each attempt of a call has in its headers. */
const ATTEMPT = 'postage-attempt';

/** A time in which nothing comes from the broker: it begins with the next attempt of a call. */
class Silence {
  readonly attempts = new Inbox<true>();
  readonly end = new Gate();

  noteAttempts(sent: Buffer): void {
    for (let at = sent.indexOf(ATTEMPT); at >= 0; at = sent.indexOf(ATTEMPT, at + 1))
      this.attempts.push(true);
  }

  async passed(): Promise<void> {
    if (this.attempts.items.length > 0) await this.end.passed();
  }
}

let silence: Silence | undefined;

async function* requests(chunks: Chunks): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    silence?.noteAttempts(chunk);
    yield chunk;
  }
}

async function* answers(chunks: Chunks): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await silence?.passed();
    yield chunk;
  }
}

/** RabbitMQ, which may be silent. */
const open = async (): Promise<TestBroker> => {
  const [rabbit] = TEST_BROKERS;
  const broker = await rabbit.open();
  // That is how it is connected to.
  const { url = '' } = broker.connection as ConnectionOptions;
  const proxy = await TcpProxy.to(url, { requests, answers });
  const close = async (): Promise<void> => {
    await proxy.close();
    await broker.close();
  };
  return { ...broker, connection: { url: proxy.url }, close };
};

describe('a call that no queue takes, at a broker that is silent for some of its attempts', () => {
  const world = useRpcWorld(open);

  it('fails as UNROUTABLE when the broker has said so of each, long before its deadline', async () => {
    const { to, snapshot } = await world.connectedCaller();
    // All of it is a hundred seconds, which no test may take.
    const calls = to('nobody-is-here', { timeoutMs: 100, maxRetry: 999 });
    silence = new Silence();
    const failure = calls.rpc('ask').catch((error: unknown) => error);
    await silence.attempts.take(3);
    silence.end.open();

    expect(await failure).toMatchObject({
      code: 'UNROUTABLE',
      routingKey: 'nobody-is-here',
      messageId: expect.any(String) as string,
    });
    expect(snapshot().pending).toBe(0);
  });
});
