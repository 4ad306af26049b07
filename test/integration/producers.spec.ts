import { inspect } from 'node:util';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ConsumeMessage } from 'amqplib';
import {
  defineExchange,
  GenericProducer,
  Message,
  MessageCommand,
  MessageStatus,
  PostageModule,
  Producer,
  PublishError,
  RpcCommand,
  TopologyError,
  type Eks,
  type MessageMethod,
  type PostageModuleOptions,
  type ProducerOf,
  type RpcMethod,
} from 'nestjs-postage';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RawPeer } from '../support/raw-peer.js';
import { brokerUrl, uniqueName } from '../support/rabbit.js';

const First = defineExchange({ name: uniqueName('first'), durable: false, autoDelete: false });
const Second = defineExchange({ name: uniqueName('second'), type: 'topic', durable: false });

@Injectable()
class Clock {
  readonly year = 1999;
}

@Producer({
  eks: [
    [First, 'rk'],
    [Second, 'a.b'],
  ],
  defaults: { headers: { origin: 'tests' } },
})
class SampleProducer extends GenericProducer {
  declare messageEcho: MessageMethod<string>;
  declare messageJoinGroup: MessageMethod<{ group_name: string }>;
  declare rpcEcho: RpcMethod<string, string>;

  readonly #unit = 'years';

  constructor(private readonly clock: Clock) {
    super();
  }

  buildMessageStatusOnline(): MessageStatus {
    return new MessageStatus('online');
  }

  async buildMessageYear(): Promise<MessageCommand> {
    return new MessageCommand('year', { year: this.clock.year, unit: this.#unit });
  }

  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('sum', { a, b });
  }
}

const bodyOf = ({ content }: ConsumeMessage): { name: string; content: unknown } =>
  JSON.parse(content.toString()) as { name: string; content: unknown };

let peer: RawPeer;
const closers: (() => Promise<unknown>)[] = [];

const connect = async (options: PostageModuleOptions = {}): Promise<ProducerOf<SampleProducer>> => {
  const feature = PostageModule.forFeature([SampleProducer], { providers: [Clock] });
  @Module({ imports: [feature, PostageModule.forRoot({ connection: { url: brokerUrl() }, ...options })] })
  class App {}
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  closers.push(() => app.close());
  return app.get<ProducerOf<SampleProducer>>(SampleProducer);
};

beforeAll(async () => {
  peer = await RawPeer.connect(brokerUrl());
  for (const { name, type } of [First, Second])
    await peer.channel.assertExchange(name, type, { durable: false });
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

afterAll(async () => {
  for (const { name } of [First, Second]) await peer.channel.deleteExchange(name);
  await peer.close();
});

describe('a producer', () => {
  it('sends a message to every couple and an rpc to the first', async () => {
    const producer = await connect();
    const [first, second] = [await peer.listen(First.name, 'rk'), await peer.listen(Second.name, 'a.*')];

    await producer.messageEcho('hello');
    // Nobody answers: the call ends with the application.
    const call = producer.rpcEcho('anyone?').catch((error: unknown) => error);

    expect((await first.take(2)).map(bodyOf).map(({ content }) => content)).toEqual([
      { parameters: 'hello' },
      { parameters: 'anyone?' },
    ]);
    expect(second.items.map(bodyOf).map(({ content }) => content)).toEqual([{ parameters: 'hello' }]);
    await closers.pop()?.();
    expect(await call).toMatchObject({ code: 'CONNECTION_CLOSED' });
  });

  it('takes a key alone as the first exchange with that key', async () => {
    const producer = await connect();
    const [other, second] = [await peer.listen(First.name, 'other'), await peer.listen(Second.name, '#')];

    await producer.with({ key: 'other' }).messageEcho('hello');
    await producer.messageEcho('mark');

    expect((await other.take(1)).map(bodyOf)).toMatchObject([{ content: { parameters: 'hello' } }]);
    expect((await second.take(1)).map(bodyOf)).toMatchObject([{ content: { parameters: 'mark' } }]);
  });

  it('takes per-call eks instead of its own, and ignores a key beside them', async () => {
    const producer = await connect();
    const [first, second] = [await peer.listen(First.name, 'rk'), await peer.listen(Second.name, '#')];
    const eks: Eks = [[Second, 'x.y']];

    await producer.with({ eks, key: 'rk' }).messageEcho('hello');
    await producer.with({ key: 'rk' }).messageEcho('mark');

    expect((await second.take(1))[0]?.fields.routingKey).toBe('x.y');
    expect((await first.take(1)).map(bodyOf)).toMatchObject([{ content: { parameters: 'mark' } }]);
  });

  it('sends what its builders build, with what they were injected', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');

    await producer.messageStatusOnline();
    await producer.with({ priority: 1 }).messageYear();
    await producer.messageJoinGroup({ group_name: 'eu' });
    await producer.command('known_at_run_time', [1]);
    await producer.message([1, 'str'], { values: [1, 2, 3] });
    await producer.publish(new Message({ type: 'metric', name: 'disk', content: { free: 1 } }));

    expect((await inbox.take(6)).map(bodyOf)).toMatchObject([
      { type: 'status', name: 'online', content: {} },
      { type: 'command', name: 'year', content: { parameters: { year: 1999, unit: 'years' } } },
      { type: 'command', name: 'join_group', content: { parameters: { group_name: 'eu' } } },
      { type: 'command', name: 'known_at_run_time', content: { parameters: [1] } },
      { type: 'none', name: 'none', content: { args: [1, 'str'], kwds: { values: [1, 2, 3] } } },
      { type: 'metric', name: 'disk', content: { free: 1 } },
    ]);
  });

  it('turns names without a builder into snake_case commands', async () => {
    const producer = (await connect()) as unknown as Record<string, (p?: unknown) => Promise<void>>;
    const inbox = await peer.listen(First.name, 'rk');

    await producer['messageReloadHTTPConfigV2']?.();

    expect((await inbox.take(1)).map(bodyOf)).toMatchObject([
      { name: 'reload_http_config_v2', content: { parameters: {} } },
    ]);
  });

  it('forwards a body as it is', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');

    await producer.forward({ any: 'body' });

    expect((await inbox.take(1))[0]?.content.toString()).toBe('{"any":"body"}');
  });

  it('puts its fingerprint and AMQP properties on every message', async () => {
    const producer = await connect({
      fingerprint: { name: 'echo_send', type: 'application', pid: '4242', host: 'host-1', user: 'svc' },
    });
    const inbox = await peer.listen(First.name, 'rk');

    await producer
      .with({ headers: { tenant: 7 }, priority: 3, expirationMs: 60_000 })
      .with({ headers: { trace: 'x' } })
      .messageEcho('hello');

    const [message] = await inbox.take(1);
    expect(bodyOf(message as ConsumeMessage)).toMatchObject({
      fingerprint: {
        name: 'echo_send',
        type: 'application',
        pid: '4242',
        host: 'host-1',
        user: 'svc',
        vhost: '/',
      },
    });
    expect(message?.properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      priority: 3,
      expiration: '60000',
      appId: 'echo_send',
      headers: { origin: 'tests', tenant: 7, trace: 'x' },
    });
    expect(message?.properties.messageId).toMatch(/^[0-9a-f-]{36}$/);
    expect(message?.properties.timestamp).toBeGreaterThan(1_700_000_000);
    expect(message?.properties.replyTo).toBeUndefined();
  });

  it('marks a message transient when told to', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');

    await producer.with({ persistent: false }).messageEcho('hello');

    expect((await inbox.take(1))[0]?.properties.deliveryMode).toBe(1);
  });

  it('marks an rpc transient, persistent when told to: its reply can not come after a restart of the broker', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');
    // Nobody answers: the calls end with the application.
    const calls = [producer, producer.with({ persistent: true })].map((each) =>
      each.rpcEcho('?').catch(() => undefined),
    );
    const modes = (await inbox.take(2)).map(({ properties }) => properties.deliveryMode as unknown);
    expect(modes.toSorted((a, b) => Number(a) - Number(b))).toEqual([1, 2]);
    await closers.pop()?.();
    await Promise.all(calls);
  });

  it('leaves the producer that `with` was called on as it was', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');

    producer.with({ headers: { only: 'there' }, key: 'elsewhere' });
    await producer.messageEcho('hello');

    expect((await inbox.take(1))[0]?.properties.headers).toEqual({ origin: 'tests' });
  });
});

describe('a publish', () => {
  it('fails as UNROUTABLE when it is mandatory and no queue takes it', async () => {
    const producer = await connect();
    const sent = producer.with({ key: 'nobody', mandatory: true }).messageEcho('hello');
    await expect(sent).rejects.toMatchObject({
      code: 'UNROUTABLE',
      exchange: First.name,
      routingKey: 'nobody',
    });
    await expect(producer.with({ key: 'nobody' }).messageEcho('hello')).resolves.toBeUndefined();
  });

  it('of an rpc to a key without a queue fails at once, not after the timeout', async () => {
    const producer = await connect();
    const startedMs = performance.now();
    await expect(producer.with({ key: 'nobody' }).rpcSum(1, 2)).rejects.toBeInstanceOf(PublishError);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('fails as NACKED when the queue is full', async () => {
    const producer = await connect();
    const queue = uniqueName('full');
    await peer.channel.assertQueue(queue, {
      exclusive: true,
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await peer.channel.bindQueue(queue, First.name, queue);

    await producer.with({ key: queue }).messageEcho('1');

    await expect(producer.with({ key: queue }).messageEcho('2')).rejects.toMatchObject({ code: 'NACKED' });
  });

  it('fails by its deadline when the broker can not be reached, without a word of the password', async () => {
    const connection = { host: '127.0.0.1', port: 1, password: 'hunter2' };
    const producer = await connect({ connection, reconnect: { initialDelayMs: 10, maxDelayMs: 20 } });
    const error: unknown = await producer
      .with({ publishTimeoutMs: 150 })
      .messageEcho('x')
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'NOT_CONNECTED',
      errors: [{ exchange: First.name }, { exchange: Second.name }],
    });
    expect(inspect(error)).toContain('ECONNREFUSED');
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2');
  });

  it('that is an rpc says why there was no connection, too', async () => {
    const producer = await connect({
      connection: { host: '127.0.0.1', port: 1 },
      reconnect: { maxDelayMs: 20 },
    });
    const error: unknown = await producer
      .with({ timeoutMs: 150 })
      .rpcSum(1, 2)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'NOT_CONNECTED', cause: { code: 'CONNECTION_FAILED' } });
  });

  it('fails at once when the broker refuses the credentials, and says so', async () => {
    const url = new URL(brokerUrl());
    url.password = 'wrong-secret';
    const producer = await connect({ connection: { url: url.href } });
    const error: unknown = await producer.messageEcho('x').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'ACCESS_REFUSED' });
    expect(String(error)).not.toContain('wrong-secret');
  });

  it('names exchange, argument and both values when the exchange exists with another type', async () => {
    const producer = await connect();
    const other = defineExchange({ name: First.name, type: 'fanout', durable: false });
    const error: unknown = await producer
      .with({ eks: [[other, 'rk']] })
      .messageEcho('x')
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TopologyError);
    expect(error).toMatchObject({ amqpCode: 406, argument: 'type', wanted: 'fanout', actual: 'direct' });
    await expect(producer.messageEcho('the producer still works')).resolves.toBeUndefined();
  });

  it('stops waiting when its signal aborts', async () => {
    const producer = await connect({ connection: { host: '127.0.0.1', port: 1 } });
    const stop = new AbortController();
    const sent = producer.with({ signal: stop.signal }).messageEcho('x');
    stop.abort();
    await expect(sent).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('keeps the order of calls that are not awaited, from the first on', async () => {
    const producer = await connect();
    const inbox = await peer.listen(First.name, 'rk');
    const numbers = Array.from({ length: 500 }, (_, index) => String(index));

    await Promise.all(numbers.map((number) => producer.messageEcho(number)));

    const bodies = (await inbox.take(500)).map(bodyOf);
    expect(bodies.map(({ content }) => (content as { parameters: string }).parameters)).toEqual(numbers);
  });

  it('refuses wrong options by name', async () => {
    const producer = await connect();
    const wrong = (options: object): unknown => {
      try {
        return producer.with(options);
      } catch (error) {
        return (error as { option: string }).option;
      }
    };
    expect(wrong({ timeoutMs: 0 })).toBe('timeoutMs');
    expect(wrong({ maxRetry: 1.5 })).toBe('maxRetry');
    expect(wrong({ priority: 256 })).toBe('priority');
    expect(wrong({ timeout: 5 })).toBe('timeout');
    expect(wrong({ headers: [] })).toBe('headers');
    expect(wrong({ eks: [['name', 'key']] })).toBe('eks[0][0]');
  });
});
