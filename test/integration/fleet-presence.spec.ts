import { Address, type FleetMember } from 'nestjs-postage';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { useMembers, type Member } from './fleet-process.js';
import { Fleet } from './fleet-world.js';

useMembers();

const intervalMs = 100;
const summary = ({ id, groups, state, fingerprint: { name } }: FleetMember): string =>
  `${id} ${name} ${state} ${groups?.join(',')}`;

it('a directory sees who comes, goes, changes groups, and names who is missing', async () => {
  const fleet = await Fleet.forTest();
  const { directory } = fleet;
  const seen = (): string[] => directory.members.map(summary).toSorted();
  let changes = 0;
  directory.onChange(() => (changes += 1));
  await directory.start();
  expect(directory.absent(['alpha', 'beta'])).toEqual(['alpha', 'beta']);

  const presence = { intervalMs };
  const [a, b, c] = (await fleet.startAll([
    { name: 'alpha', pid: '101', host: 'east', groups: ['red', 'blue'], presence },
    // Whatever is heard of it is no heartbeat.
    { name: 'alpha', pid: '102', host: 'west', presence: { intervalMs: 3_600_000 } },
    { name: 'beta', pid: '103', host: 'east', groups: ['red'], presence },
  ])) as [Member, Member, Member];
  await eventually(() =>
    expect(seen()).toEqual([
      '101@east alpha present red,blue',
      '102@west alpha present ',
      '103@east beta present red',
    ]),
  );
  expect(changes).toBeGreaterThanOrEqual(3);
  expect(directory.absent(['alpha', 'beta', 'gamma'])).toEqual(['gamma']);

  await fleet.at(b.id).rpcJoinGroup('green');
  await fleet.at(a.id).rpcLeaveGroup('blue');
  await eventually(() =>
    expect(seen().slice(0, 2)).toEqual(['101@east alpha present red', '102@west alpha present green']),
  );
  const lastSeen = directory.members.find(({ id }) => id === a.id)?.lastSeen;
  await eventually(() =>
    expect(directory.members.find(({ id }) => id === a.id)?.lastSeen.getTime()).toBeGreaterThan(
      Number(lastSeen),
    ),
  );

  // It says good-bye.
  await fleet.at(c.id).messageQuit();
  await c.exit();
  await eventually(() => expect(seen().map((each) => each.split(' ')[0])).toEqual([a.id, b.id]));
  expect(directory.missing.map(({ id }) => id)).not.toContain(c.id);
  expect(directory.absent(['alpha', 'beta'])).toEqual(['beta']);

  // It does not.
  await a.close();
  await eventually(() => expect(directory.missing.map(({ id }) => id)).toEqual([a.id]));
  expect(directory.present.map(({ id }) => id)).toEqual([b.id]);
  directory.forget(a.id);
  expect(seen()).toEqual(['102@west alpha present green']);
});

it('a directory learns from a ping who is there, and who should have answered', async () => {
  const fleet = await Fleet.forTest();
  const { directory } = fleet;
  // Nobody tells anything of its own accord here.
  const [a, b, c] = (await fleet.startAll([
    { name: 'alpha', pid: '101', host: 'east' },
    { name: 'alpha', pid: '102', host: 'west' },
    { name: 'beta', pid: '103', host: 'east' },
  ])) as [Member, Member, Member];
  const all = Address.name('alpha');
  const answering = async (count: number, address: Address): Promise<string[]> =>
    eventually(async () => {
      const ids = (await directory.refresh(address, { timeoutMs: 500 })).map(({ id }) => id);
      expect(ids).toHaveLength(count);
      return ids.toSorted();
    });

  expect(await answering(2, all)).toEqual([a.id, b.id]);
  expect(await answering(2, Address.host('east'))).toEqual([a.id, c.id]);
  expect(directory.present.map(({ id }) => id).toSorted()).toEqual([a.id, b.id, c.id]);
  expect(directory.missing).toEqual([]);
  expect(directory.absent(['alpha', 'beta', 'gamma'])).toEqual(['gamma']);

  await b.close();
  await c.close();
  expect(await answering(1, all)).toEqual([a.id]);
  // Of the other one nobody has asked.
  expect(directory.missing.map(({ id }) => id)).toEqual([b.id]);
  expect(await answering(1, Address.host('east'))).toEqual([a.id]);
  expect(directory.missing.map(({ id }) => id).toSorted()).toEqual([b.id, c.id]);
  expect(directory.absent(['alpha', 'beta'])).toEqual(['beta']);
  expect(await answering(0, Address.unique(103, 'east'))).toEqual([]);
});
