import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { topologyOf, type QueueBinding } from '../topology/binding.js';
import type { Compatibility } from '../topology/queue.js';
import { Address } from './address.js';
import {
  checkGroup,
  checkIdentity,
  controlKeyOf,
  fanOutKeysOf,
  GenericApplicationExchange,
  groupBindings,
  groupQueueOf,
  memberBindings,
  queuesOf,
  type Identity,
} from './application-topology.js';

/** What Postage declares, read off a broker. */
const wire = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/wire/topology.json', import.meta.url), 'utf8'),
) as {
  readonly exchange: Readonly<Record<string, unknown>>;
  readonly queues: readonly Readonly<Record<'role' | 'name', string>>[];
  readonly bindings: readonly { readonly routing_key: string; readonly queue: string }[];
};

const monitor: Identity = { name: 'monitor', pid: '4242', host: 'host-1' };
const refusal = (option: string): unknown =>
  expect.objectContaining({ name: 'InvalidOptionError', code: 'INVALID_OPTION', option });

const bindingsOf = (compatibility: Compatibility, groups: readonly string[]): readonly QueueBinding[] => [
  ...memberBindings(monitor, compatibility),
  ...groups.flatMap((group) => {
    const { own, shared } = groupBindings(monitor, group, compatibility);
    return [own, ...shared];
  }),
];
const declared = (compatibility: Compatibility, groups: readonly string[] = []) =>
  topologyOf([[GenericApplicationExchange, bindingsOf(compatibility, groups)]], { compatibility });

const byText = <T>(values: readonly T[]): readonly T[] =>
  values.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
const routesOf = ({ bindings }: ReturnType<typeof declared>): readonly string[] =>
  bindings.map(({ key, queue }) => `${key} -> ${queue}`).toSorted();

describe('the topology of an application beside Python members', () => {
  const { exchanges, queues, bindings } = declared('python', ['eu']);

  it('declares the exchange as Postage does, and no other', () => {
    expect(
      exchanges.map(({ name, type, declare, durable, autoDelete, internal }) => ({
        name,
        type,
        passive: declare === 'passive',
        durable,
        auto_delete: autoDelete,
        internal,
      })),
    ).toEqual([wire.exchange]);
    expect(exchanges[0]).toMatchObject({ declare: 'assert', arguments: {} });
  });

  it('declares the queues as Postage does, with the same flags and no arguments', () => {
    const ours = queues.map(({ name, durable, autoDelete, exclusive }) => ({
      name,
      durable,
      auto_delete: autoDelete,
      exclusive,
    }));
    expect(byText(ours)).toEqual(byText(wire.queues.map(({ role: _role, ...queue }) => queue)));
    expect(queues.map(({ arguments: table, declare }) => [table, declare])).toEqual(
      queues.map(() => [{}, 'assert']),
    );
  });

  it('binds them as Postage does', () => {
    const ours = bindings.map(({ key, queue }) => ({ routing_key: key, queue }));
    expect(byText(ours)).toEqual(byText(wire.bindings));
    expect(new Set(bindings.map(({ exchange }) => exchange))).toEqual(new Set([wire.exchange['name']]));
    expect(bindings.map(({ arguments: table }) => table)).toEqual(bindings.map(() => ({})));
  });

  it('names the queues as Postage does', () => {
    const { sid, hid, uid } = queuesOf(monitor);
    const roles = { sid, hid, uid, group: groupQueueOf(monitor, 'eu') };
    expect(Object.entries(roles)).toEqual(wire.queues.map(({ role, name }) => [role, name]));
  });
});

describe('the topology of an application among its own', () => {
  it('declares queues that survive the broker and go with their last consumer, one further for commands each', () => {
    const { exchanges, queues } = declared('none', ['eu']);
    expect(exchanges).toEqual([GenericApplicationExchange]);
    expect(queues.map(({ name }) => name).toSorted()).toEqual(
      [
        'monitor',
        'monitor/rr/control',
        'monitor@host-1',
        'monitor@host-1/rr/control',
        '4242@host-1',
        'monitor#eu',
        'monitor#eu/rr/control',
      ].toSorted(),
    );
    for (const queue of queues)
      expect(queue).toMatchObject({ durable: true, autoDelete: true, exclusive: false, arguments: {} });
  });

  it('binds what Postage binds, and the queues for commands under their own names', () => {
    const control = ['monitor/rr/control', 'monitor@host-1/rr/control', 'monitor#eu/rr/control'];
    expect(routesOf(declared('none', ['eu']))).toEqual(
      [
        ...wire.bindings.map(({ routing_key: key, queue }) => `${key} -> ${queue}`),
        ...control.map((key) => `${key} -> ${key}`),
      ].toSorted(),
    );
  });

  it('has nothing of groups without a group, and all of each with several', () => {
    const plain = routesOf(declared('none'));
    expect(plain.filter((route) => route.includes('#'))).toEqual([]);
    const grouped = routesOf(declared('none', ['eu', 'us']));
    expect(grouped.filter((route) => route.includes('#'))).toEqual([
      'monitor#eu -> 4242@host-1',
      'monitor#eu/rr -> monitor#eu',
      'monitor#eu/rr/control -> monitor#eu/rr/control',
      'monitor#us -> 4242@host-1',
      'monitor#us/rr -> monitor#us',
      'monitor#us/rr/control -> monitor#us/rr/control',
    ]);
    expect(grouped.filter((route) => !route.includes('#'))).toEqual(plain);
  });
});

describe('groupBindings', () => {
  it.each<[Compatibility, string[]]>([
    ['none', ['monitor#eu', 'monitor#eu/rr/control']],
    ['python', ['monitor#eu']],
  ])('tells the own queue from those that the group shares: %s', (compatibility, names) => {
    const { own, shared } = groupBindings(monitor, 'eu', compatibility);
    const queueNames = shared.map(([queue]) => (typeof queue === 'string' ? queue : queue.name));
    expect(own).toMatchObject([{ name: '4242@host-1' }, 'monitor#eu']);
    expect(queueNames).toEqual(names);
  });

  it('describes the own queue as memberBindings does, so that both can be declared', () => {
    for (const compatibility of ['none', 'python'] as const) {
      const [own] = groupBindings(monitor, 'eu', compatibility).own;
      expect(memberBindings(monitor, compatibility).map(([queue]) => queue)).toContainEqual(own);
    }
  });

  it.each(['', 'a/b', 'a@b', 'a#b', 'g'.repeat(256)])('refuses a group named %j', (group) => {
    expect(() => groupBindings(monitor, group, 'none')).toThrow(refusal('group'));
    expect(() => groupQueueOf(monitor, group)).toThrow(refusal('group'));
  });
});

describe('fanOutKeysOf', () => {
  it('tells every key that leads to the process', () => {
    expect(fanOutKeysOf(monitor, [])).toEqual(['monitor', '@host-1', 'monitor@host-1', '4242@host-1']);
    expect(fanOutKeysOf(monitor, new Set(['eu', 'us'])).slice(4)).toEqual(['monitor#eu', 'monitor#us']);
  });

  it('tells the keys that its own queue is bound by', () => {
    const keys = declared('none', ['eu', 'us'])
      .bindings.filter(({ queue }) => queue === queuesOf(monitor).uid)
      .map(({ key }) => key);
    expect(fanOutKeysOf(monitor, ['eu', 'us'])).toEqual(keys);
  });
});

describe('controlKeyOf', () => {
  it('is the key of the queue for commands beside each queue whose consumers take turns', () => {
    const keys = [
      Address.roundRobin('monitor'),
      Address.nameAtHostRoundRobin('monitor', 'host-1'),
      Address.groupRoundRobin('monitor', 'eu'),
    ].map(controlKeyOf);
    const queues = declared('none', ['eu']).queues.map(({ name }) => name);
    expect(keys).toEqual(queues.filter((name) => name.endsWith('/control')));
  });

  it('is no address that anybody could be given', () => {
    expect(() => Address.parse(controlKeyOf(Address.roundRobin('monitor')))).toThrow(refusal('name'));
  });
});

describe('checkIdentity', () => {
  it('gives back the identity alone, its process id as a text', () => {
    const fingerprint = { name: 'monitor', type: 'application', pid: 4242, host: 'host-1', user: 'u' };
    expect(checkIdentity(fingerprint)).toEqual(monitor);
    expect(checkIdentity({ ...monitor })).toEqual(monitor);
  });

  it.each<[keyof Identity, unknown]>([
    ['name', null],
    ['name', undefined],
    ['name', ''],
    ['name', 'a/b'],
    ['name', 'a@b'],
    ['name', 'a#b'],
    ['name', '42'],
    ['name', 7],
    ['name', 'é'.repeat(128)],
    // With the host and the longest end of an address it has more than 255 bytes.
    ['name', 'a'.repeat(240)],
    ['name', 'amq.x'],
    ['name', '\ud800'],
    ['pid', ''],
    ['pid', 'x'],
    ['pid', '1/2'],
    ['pid', -1],
    ['pid', null],
    ['pid', undefined],
    ['host', null],
    ['host', ''],
    ['host', 'a/b'],
    ['host', 'a@b'],
    ['host', 'a#b'],
    ['host', 7],
    ['host', 'h'.repeat(256)],
  ])('refuses a fingerprint whose %s is %j', (part, value) => {
    expect(() => checkIdentity({ ...monitor, [part]: value })).toThrow(refusal(`fingerprint.${part}`));
  });

  it('refuses groups that would make keys too long', () => {
    expect(checkGroup(monitor, 'g'.repeat(236), 'group')).toHaveLength(236);
    for (const group of ['g'.repeat(237), 'a/b', '', 7])
      expect(() => checkGroup(monitor, group, 'group')).toThrow(refusal('group'));
  });

  it('takes a host that is a number', () => {
    expect(checkIdentity({ ...monitor, host: '10' }).host).toBe('10');
  });
});
