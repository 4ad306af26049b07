import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { LIMIT_MS, useMembers, type Member } from './fleet-process.js';
import { Fleet } from './fleet-world.js';

useMembers();

const ALPHA = { name: 'alpha', pid: '101', host: 'east' } as const;
const OTHER = { name: 'alpha', pid: '102', host: 'west' } as const;

/** Sends work to an address, one message after the other. */
const send = async (fleet: Fleet, key: string, ids: readonly string[]): Promise<void> => {
  for (const id of ids) await fleet.at(key).command('work', { id });
};

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index}`);

/** Resolves once a member has got everything that was sent to it before. */
const fence = async (fleet: Fleet, member: Member, id: string): Promise<void> => {
  await send(fleet, member.id, [id]);
  await eventually(() => expect(member.work).toContain(id), LIMIT_MS);
};

describe.each([undefined, 'python'] as const)('a group, compatibility %s', (compatibility) => {
  it('gives whoever is in it from the start and who joins later both keys; leaving takes both', async () => {
    const fleet = await Fleet.forTest(compatibility);
    const python = compatibility && { compatibility };
    const [first, later] = (await fleet.startAll([
      { ...ALPHA, groups: ['red'], ...python },
      { ...OTHER, ...python },
    ])) as [Member, Member];
    expect(await fleet.at(later.id).rpcJoinGroup('red')).toMatchObject({ ok: true, value: true });
    expect(await fleet.at(later.id).rpcJoinGroup('red')).toMatchObject({ ok: true, value: false });

    await send(fleet, 'alpha#red', ['all']);
    await send(fleet, 'alpha#red/rr', numbered('turn', 12));

    const inTurn = ({ work }: Member): string[] => work.filter((id) => id.startsWith('turn'));
    await eventually(() =>
      expect([...inTurn(first), ...inTurn(later)].toSorted()).toEqual(numbered('turn', 12).toSorted()),
    );
    expect(inTurn(first)).not.toEqual([]);
    expect(inTurn(later)).not.toEqual([]);
    for (const member of [first, later]) {
      await fence(fleet, member, 'fence');
      expect(member.work.filter((id) => id === 'all')).toEqual(['all']);
    }

    // The one that was in it from the start leaves.
    expect(await fleet.at(first.id).rpcLeaveGroup('red')).toMatchObject({ ok: true, value: true });
    expect(await fleet.at(first.id).rpcLeaveGroup('red')).toMatchObject({ ok: true, value: false });
    await send(fleet, 'alpha#red', ['those who stay']);
    await send(fleet, 'alpha#red/rr', numbered('stay', 12));
    await eventually(() => expect(later.work.filter((id) => id.startsWith('stay'))).toHaveLength(12));
    await fence(fleet, first, 'fence 2');
    expect(later.work).toContain('those who stay');
    expect(first.work.filter((id) => /stay/.test(id))).toEqual([]);

    // The last one leaves: nobody is there any more.
    await fleet.at(later.id).rpcLeaveGroup('red');
    for (const key of ['alpha#red', 'alpha#red/rr'])
      await expect(fleet.at(key).rpcPing()).rejects.toMatchObject({ code: 'UNROUTABLE' });
  });
});

/** Joins, leaves, and joins again: with which answer, and which of two messages come then. */
const joinAgain = async (compatibility?: 'python'): Promise<unknown> => {
  const fleet = await Fleet.forTest(compatibility);
  const member = await fleet.start({ ...ALPHA, ...(compatibility && { compatibility }) });
  await fleet.at(member.id).rpcJoinGroup('red');
  await fleet.at(member.id).rpcLeaveGroup('red');
  const { value, message } = await fleet.at(member.id).rpcJoinGroup('red');
  if (value !== true) return message;

  await send(fleet, 'alpha#red', ['all']);
  await send(fleet, 'alpha#red/rr', ['turn']);
  await eventually(() => expect(member.work).toHaveLength(2));
  return member.work.toSorted();
};

describe('a group whose last member has left it', () => {
  // NOT_FOUND: the queue went with its last consumer, but the connection still takes it for declared.
  it('can be joined again', async () => {
    expect(await joinAgain()).toEqual(['all', 'turn']);
  });

  it("can be joined again with compatibility: 'python'", async () => {
    expect(await joinAgain('python')).toEqual(['all', 'turn']);
  });
});

describe('a member that leaves a group', () => {
  it('loses none of the messages that wait there, although all of its handlers are busy', async () => {
    const fleet = await Fleet.forTest();
    const config = { ...ALPHA, groups: ['red'], prefetch: 2 };
    const busy = await fleet.start(config);
    await fleet.at('alpha#red/rr').command('hold', { id: 'one' });
    await fleet.at('alpha#red/rr').command('hold', { id: 'two' });
    await busy.holding('one', 'two');
    await send(fleet, 'alpha#red/rr', numbered('waiting', 20));
    const stays = await fleet.start({ ...config, ...OTHER, groups: [] });
    // Its handlers are used up, too, so that what waits does wait.
    await fleet.peer.channel.checkQueue('alpha#red');
    expect((await fleet.peer.channel.checkQueue('alpha#red')).messageCount).toBe(20);
    await fleet.at(stays.id).rpcJoinGroup('red');

    expect(await fleet.at(busy.id).rpcLeaveGroup('red')).toMatchObject({ ok: true, value: true });

    await eventually(() => expect(stays.work.toSorted()).toEqual(numbered('waiting', 20).toSorted()));
    expect(busy.work).toEqual([]);
    busy.release();
    await busy.saying('held', 2);
    await fence(fleet, busy, 'fence');
    expect(stays.said('holding')).toEqual([]);
  });
});

describe('a cut of the connection', () => {
  it('keeps groups joined at run time, and brings none back that were left', async () => {
    const fleet = await Fleet.forTest();
    const proxy = await TcpProxy.to(fleet.vhost.url);
    fleet.atEnd(() => proxy.close());
    const member = await fleet.start({ ...ALPHA, groups: ['red', 'blue'] }, { url: proxy.url });
    await fleet.at(member.id).rpcJoinGroup('green');
    await fleet.at(member.id).rpcJoinGroup('grey');
    await fleet.at(member.id).rpcLeaveGroup('blue');
    await fleet.at(member.id).rpcLeaveGroup('grey');
    const before = member.said('connection.ready').filter(({ role }) => role === 'consume').length;

    proxy.cut();
    await eventually(() => {
      const ready = member.said('connection.ready').filter(({ role }) => role === 'consume');
      expect(ready).toHaveLength(before + 1);
    }, LIMIT_MS);

    expect(await fleet.at(member.id).rpc('groups')).toMatchObject({ value: ['red', 'green'] });
    for (const group of ['red', 'green']) {
      await send(fleet, `alpha#${group}`, [`all of ${group}`]);
      await send(fleet, `alpha#${group}/rr`, [`one of ${group}`]);
    }
    const expected = ['all of green', 'all of red', 'one of green', 'one of red'];
    await eventually(() => expect(member.work.toSorted()).toEqual(expected));
    // Commands come by another queue.
    for (const group of ['red', 'green'])
      expect(await fleet.at(`alpha#${group}`).rpcPing()).toMatchObject({ value: { pid: ALPHA.pid } });
    for (const group of ['blue', 'grey'])
      for (const key of [`alpha#${group}`, `alpha#${group}/rr`])
        await expect(fleet.at(key).rpcPing()).rejects.toMatchObject({ code: 'UNROUTABLE' });
  });
});

describe('a group with a bad name', () => {
  let fleet: Fleet;
  let member: Member;
  beforeAll(async () => {
    fleet = await Fleet.open();
    member = await fleet.start(ALPHA);
  });
  afterAll(() => fleet.close());

  it.each([
    ['with a slash', 'a/b', /"\/"/],
    ['with an at sign', 'a@b', /"@"/],
    ['with a hash', 'a#b', /"#"/],
    ['that is empty', '', /empty/],
    ['that is too long', 'x'.repeat(256), /256 bytes/],
  ])('%s is refused, and the member lives on', async (_, group, why) => {
    const before = member.said('handler.failed').length;
    for (const key of [member.id, 'alpha', 'alpha/rr']) {
      const refused = await fleet.at(key).rpcJoinGroup(group);
      expect(refused).toMatchObject({ ok: false, type: 'exception', value: 'InvalidOptionError' });
      expect(refused.message).toMatch(/group_name/);
      expect(refused.message).toMatch(why);
    }
    await fleet.at(member.id).messageJoinGroup(group);
    await member.saying('handler.failed', before + 4);

    expect(await fleet.at(member.id).rpc('groups')).toMatchObject({ value: [] });
  });
});
