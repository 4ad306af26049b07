import { PostageConnection } from 'nestjs-postage';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import type { Vhost } from '../support/rabbit.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { faultCluster, type FaultNode } from './support/fault-node.js';
import { RECONNECT, Traffic } from './support/traffic.js';

const TEST = 'test/faults/cluster.spec.ts';

const nodes = faultCluster(3) as readonly [FaultNode, FaultNode, FaultNode];
const unhandled = useUnhandledRejections();
afterEach(() => {
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

const start = async (): Promise<{ vhost: Vhost; traffic: Traffic }> => {
  const vhost = await nodes[0].vhost('cluster');
  const urls = nodes.map(({ url }) => Object.assign(new URL(url), { pathname: `/${vhost.name}` }).href);
  const options = { connection: { urls }, reconnect: RECONNECT };
  // Three nodes are enough work for a small machine.
  const sending = { window: 10, pauseMs: 20 };
  const traffic = await Traffic.start({ options, flags: { type: 'quorum' }, sending });
  await nodes[0].hasTicked(vhost, traffic.queue);
  return { vhost, traffic };
};

/** The node that the receiver consumes from. */
const nodeOf = (traffic: Traffic): FaultNode => {
  const { consuming } = traffic.receiver.get(PostageConnection).snapshot;
  const address = consuming.kind === 'ready' ? consuming.address : '';
  const found = nodes.find(({ url }) => new URL(url).port === new URL(address).port);
  if (!found) throw new Error(`no node at ${address}`);
  return found;
};

/** By the view of a node; a consumer that went with another node stays on the list, as suspect, until that is back. */
const activeConsumers = async (node: FaultNode, vhost: Vhost): Promise<string[]> => {
  const columns = ['queue_name', 'activity_status'];
  const list = await node.ctl('list_consumers', '-q', '-p', vhost.name, '--no-table-headers', ...columns);
  return list.split('\n').filter((line) => /\s(up|single_active)$/.test(line));
};

describe('a node of a cluster that is lost', () => {
  it('is replaced by another one at once, and a quorum queue that others lead loses nothing', async () => {
    const { vhost, traffic } = await start();
    const victim = nodeOf(traffic);
    const [other] = nodes.filter((node) => node !== victim) as [FaultNode];
    await other.lead(vhost, traffic.queue);

    const { resumeMs } = await traffic.resumedAfter(() => victim.kill(), traffic.losses('receiver'));

    expect(nodeOf(traffic)).not.toBe(victim);
    await eventually(async () =>
      expect(await activeConsumers(other, vhost)).toEqual([`${traffic.queue}\tup`]),
    );
    const fault = 'node of a cluster of three killed, quorum queue led by another node';
    const totals = await traffic.finish({ fault, test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
    await victim.restart();
  });

  it('takes the leader of a quorum queue along: all that is confirmed is handled', async () => {
    const { vhost, traffic } = await start();
    const victim = nodeOf(traffic);
    const [other] = nodes.filter((node) => node !== victim) as [FaultNode];
    await victim.lead(vhost, traffic.queue);

    const [begunMs, lost] = [performance.now(), traffic.losses('receiver')];
    let consumingMs = 0;
    const { resumeMs } = await traffic.resumedAfter(async () => {
      await victim.kill();
      await lost();
      await traffic.ready();
      consumingMs = performance.now() - begunMs;
      await eventually(async () =>
        expect(await activeConsumers(other, vhost)).toEqual([`${traffic.queue}\tup`]),
      );
      // A channel of RabbitMQ 3.10 that published while there was no leader may refuse all messages until the old one is back.
      await victim.restart();
    }, traffic.losses('receiver'));

    const fault = 'node of a cluster of three killed and restarted, quorum queue led by it';
    const nacked = traffic.numbers.failures.get('NACKED') ?? 0;
    const totals = await traffic.finish({ fault, test: TEST, consumingMs, resumeMs, nacked });
    expect(totals.lost).toBe(0);
  });
});
