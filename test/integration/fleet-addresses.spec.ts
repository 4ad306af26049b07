import type { INestMicroservice } from '@nestjs/common';
import type { PostageModuleOptions } from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually } from '../support/eventually.js';
import type { MemberConfig } from '../support/fleet-member.js';
import { management } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { LIMIT_MS, useMembers } from './fleet-process.js';
import { fixture, Fleet, vector } from './fleet-world.js';

useMembers();

const COUNT = 12;

/** Whoever can be sent work, ours or Python's. */
interface Worker {
  readonly id: string;
  readonly work: readonly string[];
}

const MEMBERS: readonly MemberConfig[] = [
  { name: 'alpha', pid: '101', host: 'east', groups: ['red'] },
  { name: 'alpha', pid: '102', host: 'east', groups: ['red', 'blue'] },
  { name: 'alpha', pid: '103', host: 'west', groups: ['blue'] },
  { name: 'beta', pid: '104', host: 'east', groups: ['red'] },
  { name: 'beta', pid: '105', host: 'west' },
  { name: 'beta', pid: '106', host: 'west', groups: ['red', 'blue'] },
];

/** Every form of an address, and whom it is for. */
const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  alpha: ['101@east', '102@east', '103@west'],
  'alpha/rr': ['101@east', '102@east', '103@west'],
  '@east': ['101@east', '102@east', '104@east'],
  'beta@west': ['105@west', '106@west'],
  'beta@west/rr': ['105@west', '106@west'],
  '105@west': ['105@west'],
  'alpha#red': ['101@east', '102@east'],
  'alpha#blue/rr': ['102@east', '103@west'],
  // Of one group, but of the other name.
  'beta#red': ['104@east', '106@west'],
  // There is but one.
  'beta@east/rr': ['104@east'],
};

const idsFor = (key: string): string[] => Array.from({ length: COUNT }, (_, index) => `${key} ${index}`);

type Received = Readonly<Record<string, readonly string[]>>;

/** Sends work to an address, and hands back who has got what of it. */
const deliver = async (
  fleet: Fleet,
  workers: readonly Worker[],
  [key, set]: readonly [string, readonly string[]],
): Promise<Received> => {
  for (const id of idsFor(key)) await fleet.at(key).command('work', { id });
  const received = (): Received =>
    Object.fromEntries(
      workers.map(({ id, work }) => [
        id,
        work.filter((each) => each.startsWith(`${key} `)).toSorted(byNumber),
      ]),
    );
  const expected = COUNT * (isInTurn(key) ? 1 : set.length);
  await eventually(() => {
    expect(Object.values(received()).flat().length).toBeGreaterThanOrEqual(expected);
  }, LIMIT_MS);
  // What else could come has come before this.
  for (const { id } of workers) await fleet.at(id).command('work', { id: `behind ${key}` });
  await eventually(() => {
    for (const { work } of workers) expect(work).toContain(`behind ${key}`);
  }, LIMIT_MS);
  return received();
};

const isInTurn = (key: string): boolean => key.endsWith('/rr');

/** What is the same whoever's turn it was; of messages to all of them, everything. */
const factsOf = (received: Received, [key, set]: readonly [string, readonly string[]]): object => {
  if (!isInTurn(key)) return received;
  const receivers = Object.keys(received).filter((id) => received[id]?.length);
  return {
    messages: Object.values(received).flat().toSorted(byNumber),
    strangers: receivers.filter((id) => !set.includes(id)),
    isShared: receivers.length > 1,
  };
};

const expectedOf = (workers: readonly Worker[], [key, set]: readonly [string, readonly string[]]): object =>
  isInTurn(key)
    ? { messages: idsFor(key), strangers: [], isShared: set.length > 1 }
    : Object.fromEntries(workers.map(({ id }) => [id, set.includes(id) ? idsFor(key) : []]));

const byNumber = (one: string, other: string): number =>
  Number(one.split(' ')[1]) - Number(other.split(' ')[1]);

describe('six members of two names on two hosts in two groups', () => {
  let fleet: Fleet;
  let members: readonly Worker[];
  beforeAll(async () => {
    fleet = await Fleet.open();
    members = await fleet.startAll(MEMBERS);
  });
  afterAll(() => fleet.close());

  it.for(Object.entries(ADDRESSES))('%s leads exactly to %s', async (address) => {
    const received = await deliver(fleet, members, address);
    expect(factsOf(received, address)).toEqual(expectedOf(members, address));
  });

  it.for(Object.entries(ADDRESSES))('%s is where exactly %s answer', async ([key, set]) => {
    const answers: string[] = [];
    const count = isInTurn(key) ? 1 : set.length;
    for await (const reply of fleet.at(key).gather<Identity>('ping', undefined, { count }))
      answers.push(idOf(reply.unwrap()));
    if (isInTurn(key)) expect(set).toEqual(expect.arrayContaining(answers));
    else expect(answers.toSorted()).toEqual(set);
  });
});

interface Identity {
  readonly pid: string;
  readonly host: string;
}

const idOf = ({ pid, host }: Identity): string => `${pid}@${host}`;

interface PythonTopology {
  readonly exchange: { readonly name: string; readonly durable: boolean; readonly auto_delete: boolean };
  readonly queues: readonly {
    readonly name: string;
    readonly durable: boolean;
    readonly auto_delete: boolean;
    readonly exclusive: boolean;
  }[];
  readonly bindings: readonly { readonly routing_key: string; readonly queue: string }[];
}

const RECORDED = fixture<PythonTopology>('topology');

/** A component that knows nothing of this library: it declares what the original does, and answers as it does. */
class PythonMember implements Worker {
  readonly work: string[] = [];

  private constructor(
    readonly config: MemberConfig,
    readonly peer: RawPeer,
  ) {}

  static async start(fleet: Fleet, config: MemberConfig): Promise<PythonMember> {
    const member = new PythonMember(config, await RawPeer.connect(fleet.vhost.url));
    fleet.atEnd(() => member.peer.close());
    await member.#declare();
    return member;
  }

  get id(): string {
    return `${this.config.pid}@${this.config.host}`;
  }

  async #declare(): Promise<void> {
    const { channel } = this.peer;
    const { name, pid, host, groups: [group = ''] = [] } = this.config;
    const rename = (text: string): string =>
      text.replace('monitor', name).replace('4242', pid).replace('host-1', host).replace('eu', group);
    const { exchange, queues, bindings } = RECORDED;
    await channel.assertExchange(exchange.name, 'direct', {
      durable: exchange.durable,
      autoDelete: exchange.auto_delete,
    });
    for (const { name: queue, durable, auto_delete: autoDelete, exclusive } of queues)
      await channel.assertQueue(rename(queue), { durable, autoDelete, exclusive });
    for (const { queue, routing_key: key } of bindings)
      await channel.bindQueue(rename(queue), exchange.name, rename(key));
    for (const { name: queue } of queues)
      await channel.consume(rename(queue), (message) => message && this.#onMessage(message));
  }

  #onMessage(message: Parameters<RawPeer['channel']['ack']>[0]): void {
    const { channel } = this.peer;
    const { name, content } = JSON.parse(message.content.toString()) as {
      readonly name: string;
      readonly content: { readonly parameters: { readonly id: string } };
    };
    if (name === 'work') this.work.push(content.parameters.id);
    if (name === 'ping') {
      const { pid, host, name: own } = this.config;
      const reply = JSON.parse(vector('reply-success')) as { content: { value: unknown } };
      reply.content.value = { name: own, type: 'application', pid, host, user: 'svc', vhost: '/' };
      channel.sendToQueue(String(message.properties.replyTo), Buffer.from(JSON.stringify(reply)));
    }
    channel.ack(message);
  }
}

describe("members beside Python's, with compatibility: 'python'", () => {
  const python = { compatibility: 'python' } as const;
  let fleet: Fleet;
  let workers: readonly Worker[];
  beforeAll(async () => {
    fleet = await Fleet.open('python');
    const [first, second, third, fourth, fifth, sixth] = MEMBERS as unknown as readonly [
      MemberConfig,
      MemberConfig,
      MemberConfig,
      MemberConfig,
      MemberConfig,
      MemberConfig,
    ];
    // One is there before ours, and one comes later.
    const before = await PythonMember.start(fleet, first);
    const ours = await fleet.startAll([second, third, fourth, sixth].map((each) => ({ ...each, ...python })));
    const later = await PythonMember.start(fleet, { ...fifth, groups: ['green'] });
    workers = [before, ...ours, later];
  });
  afterAll(() => fleet.close());

  it.for(Object.entries(ADDRESSES))('%s leads exactly to %s', async (address) => {
    const received = await deliver(fleet, workers, address);
    expect(factsOf(received, address)).toEqual(expectedOf(workers, address));
  });

  it.for(Object.entries(ADDRESSES))('%s is where %s answer', async ([key, set]) => {
    const answers: string[] = [];
    if (isInTurn(key)) {
      for (let calls = 0; calls < COUNT; calls += 1) {
        answers.push(idOf((await fleet.at(key).rpcPing()).unwrap()));
      }
      expect(set).toEqual(expect.arrayContaining(answers));
      expect(new Set(answers).size).toBeGreaterThanOrEqual(Math.min(2, set.length));
      return;
    }
    const count = set.length;
    for await (const reply of fleet.at(key).gather<Identity>('ping', undefined, { count }))
      answers.push(idOf(reply.unwrap()));
    expect(answers.toSorted()).toEqual(set);
  });
});

describe("what a member declares with compatibility: 'python'", () => {
  it('is what the original declares', async () => {
    const fleet = await Fleet.forTest('python');
    const vhost = encodeURIComponent(fleet.vhost.name);
    await fleet.start({
      name: 'monitor',
      pid: '4242',
      host: 'host-1',
      groups: ['eu'],
      compatibility: 'python',
    });

    const exchange = await management<object>('GET', `/exchanges/${vhost}/${RECORDED.exchange.name}`);
    const { name, durable, auto_delete, ...more } = RECORDED.exchange;
    expect(exchange).toMatchObject({
      name,
      durable,
      auto_delete,
      type: 'direct',
      internal: false,
      arguments: {},
    });
    expect(more).toMatchObject({ type: 'direct', internal: false });
    const queues = await fleet.vhost.queues();
    const shared = queues.filter(({ exclusive }) => !exclusive);
    const facts = shared.map((queue) => ({
      name: queue.name,
      durable: queue.durable,
      auto_delete: queue.auto_delete,
      exclusive: queue.exclusive,
      arguments: queue.arguments,
    }));
    const expected = fixture<{ queues: { role?: string }[] }>('topology').queues.map(
      ({ role: _, ...queue }) => ({ ...queue, arguments: {} }),
    );
    expect(facts).toHaveLength(expected.length);
    expect(facts).toEqual(expect.arrayContaining(expected));
    // What is ours alone, no peer ever sees.
    expect(
      queues.filter(({ exclusive }) => exclusive).every((queue) => queue.name.startsWith('amq.gen-')),
    ).toBe(true);
    const bindings = await management<{ source: string; routing_key: string; destination: string }[]>(
      'GET',
      `/bindings/${vhost}`,
    );
    const ours = bindings.filter(
      ({ source, destination }) => source !== '' && !destination.startsWith('amq.gen-'),
    );
    const bound = ours.map(({ routing_key, destination: queue }) => ({ routing_key, queue }));
    expect(bound).toHaveLength(RECORDED.bindings.length);
    expect(bound).toEqual(expect.arrayContaining([...RECORDED.bindings]));
  });

  it('is named by the error where a member is started without it', async () => {
    const fleet = await Fleet.forTest();
    await PythonMember.start(fleet, { name: 'alpha', pid: '101', host: 'east', groups: ['red'] });
    const member = fleet.launch({ name: 'alpha', pid: '102', host: 'east' });

    expect((await member.exit()).code).toBe(1);
    const text = member.errors.text + member.output.text;
    expect(text).toMatch(/compatibility: 'python'/);
    expect(text).toMatch(/"alpha"|"alpha@east"/);
  });
});

describe('a name that is no part of an address', () => {
  const apps: INestMicroservice[] = [];
  const start = async (options: Omit<PostageModuleOptions, 'connection'>): Promise<void> => {
    const fleet = await Fleet.forTest();
    apps.push(await startReceiver({ connection: { url: fleet.vhost.url }, log: false, ...options }, []));
  };
  afterAll(() => Promise.all(apps.map((app) => app.close())));

  it.each([
    ['a/b', '"/"'],
    ['a@b', '"@"'],
    ['a#b', '"#"'],
    ['', 'not empty'],
    ['42', 'process id'],
    ['x'.repeat(256), '256 bytes'],
  ])('is refused at the start: name %s', async (name, why) => {
    const refused = { code: 'INVALID_OPTION', message: expect.stringContaining(why) };
    await expect(start({ fingerprint: { name }, application: {} })).rejects.toMatchObject(refused);
  });

  it.each([
    ['host', { fingerprint: { name: 'a', host: 'x@y' }, application: {} }],
    ['pid', { fingerprint: { name: 'a', pid: 'x' }, application: {} }],
    ['groups', { fingerprint: { name: 'a' }, application: { groups: ['fine', 'x#y'] } }],
    // Each part is short enough, but not all of them together.
    ['bytes', { fingerprint: { name: 'a'.repeat(150), host: 'b'.repeat(150) }, application: {} }],
    ['bytes', { fingerprint: { name: 'a'.repeat(150) }, application: { groups: ['b'.repeat(150)] } }],
  ])('is refused at the start: %s', async (option, options) => {
    const refused = { code: 'INVALID_OPTION', message: expect.stringContaining(option) };
    await expect(start(options)).rejects.toMatchObject(refused);
  });

  it('ends the program of a GenericApplication, which says why', async () => {
    const fleet = await Fleet.forTest();
    const member = fleet.launch({ name: 'a/b', pid: '1', host: 'east' });

    expect((await member.exit()).code).toBe(1);
    expect(member.errors.text + member.output.text).toMatch(/fingerprint\.name.*"a\/b".*"\/"/);
  });
});
