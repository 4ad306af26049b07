import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { givenBroker, managementOf, type Broker, type Vhost } from '../../support/rabbit.js';
import { RawPeer } from '../../support/raw-peer.js';

/** A private node reports every second. */
const REPORT_MS = 1_500;

/** What a virtual host looks like from the broker: how many connections and channels, and every consumer. */
export interface BrokerView {
  readonly connections: number;
  readonly channels: number;
  /** As `queue prefetch`, sorted; a queue that is consumed twice comes twice. A name that the broker has made up is `amq.gen`. */
  readonly consumers: readonly string[];
}

interface ConsumerInfo {
  readonly queue: { readonly name: string };
  readonly prefetch_count: number;
}

/** The broker's statistics: they lag behind by a second or more. */
export const viewOf = async (
  { name }: Pick<Vhost, 'name'>,
  broker: Broker = givenBroker(),
): Promise<BrokerView> => {
  const vhost = encodeURIComponent(name);
  const list = <T>(path: string): Promise<T[]> => managementOf<T[]>(broker, 'GET', path);
  const [connections, channels, consumers] = await Promise.all([
    list(`/vhosts/${vhost}/connections`),
    list(`/vhosts/${vhost}/channels`),
    list<ConsumerInfo>(`/consumers/${vhost}`),
  ]);
  const described = consumers.map(
    ({ queue, prefetch_count: prefetch }) => `${queue.name.replace(/^amq\.gen-.*/, 'amq.gen')} ${prefetch}`,
  );
  return {
    connections: connections.length,
    channels: channels.length,
    consumers: described.toSorted(),
  };
};

/** The same once the statistics have caught up: each queue has a consumer, and nothing changes from one report to the next. */
export const settledViewOf = async (vhost: Vhost): Promise<BrokerView> => {
  let last: BrokerView | undefined;
  return eventually(async () => {
    const queues = (await vhost.queues()).map(({ name }) => name);
    const view = await viewOf(vhost);
    const before = last;
    last = view;
    await sleep(REPORT_MS);
    expect(view.consumers).toHaveLength(queues.length);
    expect(view.channels).toBeGreaterThanOrEqual(queues.length);
    expect(view).toEqual(before);
    return view;
  }, 60_000);
};

/** Resolves once the broker sees exactly one consumer of the queue: it may take a while to notice that an earlier one has gone. */
export const hasOneConsumer = async ({ url }: Pick<Vhost, 'url'>, queue: string): Promise<void> => {
  await eventually(async () => {
    // Behind faults it may not answer for the queue at first, which ends the channel.
    await using peer = await RawPeer.connect(url);
    expect(await peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
  }, 30_000);
};
