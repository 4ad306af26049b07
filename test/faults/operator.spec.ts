import {
  Address,
  ApplicationMember,
  ApplicationProducer,
  defineExchange,
  GenericConsumer,
  MessageHandler,
  Parameters,
  PostageConnection,
  Processor,
} from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { createVhost, givenBroker, type Vhost } from '../support/rabbit.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { settledViewOf, viewOf } from './support/broker-view.js';
import { closeConnectionsOf, createUser, deleteUser, type NodeUser } from './support/fault-node.js';
import { RECONNECT_AT_ONCE, Traffic } from './support/traffic.js';

const TEST = 'test/faults/operator.spec.ts';
const CYCLES = 50;
const NAME = 'worker';
const Extra = defineExchange({ name: 'extra', type: 'topic' });

const unhandled = useUnhandledRejections();
const warnings: Error[] = [];
const noteWarning = (warning: Error): void => void warnings.push(warning);
let vhost: Vhost;
let user: NodeUser;

beforeAll(async () => {
  process.on('warning', noteWarning);
  vhost = await createVhost('operator');
  user = await createUser(givenBroker(), vhost);
});

afterAll(async () => {
  process.off('warning', noteWarning);
  await vhost.delete();
  await deleteUser(givenBroker(), user);
});

/** What comes by a group, by a binding made at run time, and to a queue that is consumed since then. */
const heard = new Inbox<unknown>();

@Processor({ prefetch: 3 })
class Notes {
  @MessageHandler('command', 'note')
  note(@Parameters() text: unknown): void {
    heard.push(text);
  }
}

const start = async (): Promise<Traffic> => {
  const traffic = await Traffic.start({
    options: { connection: { url: user.url }, prefetch: 7, reconnect: RECONNECT_AT_ONCE },
    receiver: { fingerprint: { name: NAME, host: 'h1', pid: '11' }, application: { groups: ['early'] } },
    controllers: [Notes],
    onNote: heard.push,
  });
  const consumer = traffic.receiver.get(GenericConsumer);
  const member = traffic.receiver.get(ApplicationMember);
  await consumer.queueBind(Extra, traffic.queue, 'bound.later');
  await consumer.queueBind(Extra, 'consumed-later', 'consumed.later', { autoDelete: true });
  // A binding that goes with the connection, as its queue does.
  await consumer.queueBind(Extra, 'consumed-later', 'consumed.and.bound');
  await member.join('late');
  await member.join('left');
  await member.leave('left');
  return traffic;
};

/** Sends by every way that is not in the configuration, or not in that of a queue; each has to lead somewhere. */
const tryAllWays = async (traffic: Traffic): Promise<void> => {
  const applications = traffic.sender.get(ApplicationProducer);
  const known = heard.items.length;
  const at = (address: Address) => applications.at(address).with({ mandatory: true });
  const elsewhere = (key: string) =>
    applications.at(Address.name(NAME)).with({ eks: [[Extra, key]], mandatory: true });
  await at(Address.group(NAME, 'early')).command('note', 'early');
  await at(Address.groupRoundRobin(NAME, 'late')).command('note', 'late');
  await elsewhere('bound.later').command('note', 'bound');
  await elsewhere('consumed.later').command('note', 'consumed');
  await elsewhere('consumed.and.bound').command('note', 'both');
  await expect(at(Address.group(NAME, 'left')).command('note', 'left')).rejects.toMatchObject({
    code: 'UNROUTABLE',
  });
  // A key of all members may lead to one of them by two ways.
  const all = new Set(['both', 'bound', 'consumed', 'early', 'late']);
  await eventually(() => expect(new Set(heard.items.slice(known))).toEqual(all), 30_000);
};

describe('connections that an operator closes, again and again', () => {
  it('come back with consumers, bindings made at run time, prefetch and groups, as many as there were', async () => {
    const traffic = await start();
    await tryAllWays(traffic);
    const before = await settledViewOf(vhost);
    // The sender publishes; the receiver consumes, and has one to answer by.
    expect(before.connections).toBe(3);
    expect(new Set(before.consumers.map((each) => each.split(' ')[0])).size).toBe(before.consumers.length);

    const measured: number[] = [];
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      const { resumeMs } = await traffic.resumedAfter(() => closeConnectionsOf(givenBroker(), user.name));
      measured.push(resumeMs);
    }

    await tryAllWays(traffic);
    await eventually(async () => expect(await viewOf(vhost)).toEqual(before), 60_000);
    const { publishing, consuming } = traffic.receiver.get(PostageConnection).snapshot;
    expect([publishing.kind, consuming.kind]).toEqual(['ready', 'ready']);
    expect([unhandled, warnings]).toEqual([[], []]);
    const totals = await traffic.finish({
      fault: `connections closed by an operator, ${CYCLES} times`,
      test: TEST,
      resumeMs: Math.max(...measured),
      meanMs: measured.reduce((sum, each) => sum + each, 0) / CYCLES,
      consumersAfter: before.consumers.length,
      channelsAfter: before.channels,
    });
    expect(totals.lost).toBe(0);
  });
});
