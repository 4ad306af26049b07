import { test, type TestAPI } from 'vitest';
import type {
  ChannelPort,
  Delivery,
  Driver,
  Link,
  QueueStatus,
} from '../../libs/postage/src/connection/port.js';
import type { AmqpTable, Exchange, ExchangeType, Queue } from '../../libs/postage/src/topology/types.js';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { consume, publish } from './messages.js';
import type { Subject } from './subject.js';

export const aQueue = (properties: Partial<Queue> = {}): Queue => ({
  name: uniqueName('queue'),
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: {},
  declare: 'assert',
  ...properties,
});

export const anExchange = (type: ExchangeType, properties: Partial<Exchange> = {}): Exchange => ({
  name: uniqueName('exchange'),
  type,
  durable: true,
  autoDelete: false,
  internal: false,
  arguments: {},
  declare: 'assert',
  ...properties,
});

/** What a test works with: connections, and queues and exchanges that are deleted afterwards. */
export class Bench {
  readonly #driver: Driver;
  readonly #links: Link[] = [];
  readonly #queues = new Set<string>();
  readonly #exchanges = new Set<string>();
  #main: Promise<Link> | undefined;
  #admin: ChannelPort | undefined;

  private constructor(
    readonly subject: Subject,
    driver: Driver,
  ) {
    this.#driver = driver;
  }

  static async open(subject: Subject): Promise<Bench> {
    return new Bench(subject, await subject.connect());
  }

  /** A link of its own. */
  async link(): Promise<Link> {
    const link = await this.#driver.connect({ connectionName: uniqueName('contract') });
    this.#links.push(link);
    return link;
  }

  /** A channel on a link that all of them share. */
  async channel(): Promise<ChannelPort> {
    this.#main ??= this.link();
    return (await this.#main).openChannel();
  }

  /** A channel that the test does nothing wrong on: for setting up and looking. */
  async admin(): Promise<ChannelPort> {
    if (this.#admin?.isOpen !== true) this.#admin = await this.channel();
    return this.#admin;
  }

  /** Declares a queue, durable unless said otherwise, and returns its name. */
  async queue(properties: Partial<Queue> = {}): Promise<string> {
    const { queue } = await (await this.admin()).assertQueue(aQueue(properties));
    return this.own(queue);
  }

  async exchange(type: ExchangeType, properties: Partial<Exchange> = {}): Promise<string> {
    const exchange = anExchange(type, properties);
    await (await this.admin()).assertExchange(exchange);
    return this.ownExchange(exchange.name);
  }

  /** Has a queue deleted after the test. */
  own(queue: string): string {
    this.#queues.add(queue);
    return queue;
  }

  ownExchange(exchange: string): string {
    this.#exchanges.add(exchange);
    return exchange;
  }

  async bind(exchange: string, queue: string, key = '', table: AmqpTable = {}): Promise<void> {
    await (await this.admin()).bindQueue({ exchange, queue, key, arguments: table });
  }

  async status(queue: string): Promise<QueueStatus> {
    return (await this.admin()).checkQueue(queue);
  }

  /** Publishes texts to a queue and waits until they are there. */
  async fill(queue: string, ...texts: readonly string[]): Promise<void> {
    const channel = await this.admin();
    await Promise.all(texts.map((content) => publish(channel, { routingKey: queue, content })));
  }

  /** Everything that is ready in a queue, taken out of it. */
  async drain(queue: string): Promise<Delivery[]> {
    const { messageCount } = await this.status(queue);
    const channel = await this.channel();
    const { inbox } = await consume(channel, queue, { noAck: true });
    const deliveries = await inbox.take(messageCount);
    await channel.close();
    return deliveries;
  }

  /** Has the broker cut all connections of this test. */
  async cut(): Promise<void> {
    let open = this.#links.length;
    this.#main = undefined;
    for (const link of this.#links.splice(0)) link.onClosed(() => (open -= 1));
    // RabbitMQ's management sees a connection only some time after it was opened.
    await eventually(async () => {
      await this.subject.disconnectAll();
      if (open > 0) throw new Error(`${open} connection(s) still open`);
    });
  }

  async close(): Promise<void> {
    const link = await this.#driver.connect({ connectionName: uniqueName('clean-up') });
    for (const queue of this.#queues) await deleteWith(link, (channel) => channel.deleteQueue(queue));
    for (const exchange of this.#exchanges)
      await deleteWith(link, (channel) => channel.deleteExchange(exchange));
    await Promise.all([...this.#links, link].map((each) => each.close()));
  }
}

/** On a channel of its own each: a refusal (the queue is another link's) closes it. */
const deleteWith = async (link: Link, remove: (channel: ChannelPort) => Promise<void>): Promise<void> => {
  const channel = await link.openChannel();
  await remove(channel).catch(() => undefined);
  await channel.close();
};

/** The test function of a part of the contract: gives each test a bench of its own. */
export const contractTest = (subject: Subject): TestAPI<{ bench: Bench }> =>
  test.extend<{ bench: Bench }>({
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixtures that are needed from the pattern
    bench: async ({}, use) => {
      const bench = await Bench.open(subject);
      await use(bench);
      await bench.close();
    },
  });
