import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { LIMIT_MS, useMembers, type Member } from './fleet-process.js';
import { CONTROLLER, Fleet, vector } from './fleet-world.js';

useMembers();

const ALPHA = { name: 'alpha', pid: '101', host: 'east', groups: ['red'], prefetch: 2 } as const;
/** Who the recorded messages say that they come from. */
const PYTHON = { name: 'echo_send', pid: '4242', host: 'host-1' };
const JSON_TYPE = { contentType: 'application/json' };
const SHARED = ['alpha/rr', 'alpha@east/rr', 'alpha#red/rr'] as const;

/** Two handlers for each queue: none is left. Hands back the answers. */
const keepBusy = async (fleet: Fleet, member: Member): Promise<Promise<unknown>[]> => {
  const ids = [member.id, ...SHARED].flatMap((key) => [`${key} 1`, `${key} 2`]);
  const answers = ids.map((id) => fleet.at(id.split(' ')[0] ?? '').rpc<string>('hold', { id }));
  await member.holding(...ids);
  // Everything else has to wait.
  for (const key of [member.id, ...SHARED]) await fleet.at(key).command('work', { id: key });
  return answers.map(async (answer) => (await answer).unwrap());
};

describe('a member whose handlers are all busy', () => {
  it('obeys and answers every command at once, by every address', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start(ALPHA);
    const answers = await keepBusy(fleet, member);

    for (const key of ['alpha', '@east', 'alpha@east', member.id, 'alpha#red', ...SHARED]) {
      const { value } = await fleet.at(key).rpcPing();
      expect(value).toMatchObject({ name: 'alpha', pid: '101', host: 'east' });
    }
    for (const key of ['alpha', 'alpha/rr']) {
      const { value } = await fleet.at(key).rpcDescribe();
      expect(value).toMatchObject({ groups: ['red'], versions: { application: '1.2.3' } });
      expect((value as { inFlight: number }).inFlight).toBeGreaterThanOrEqual(8);
    }
    expect(await fleet.at(member.id).rpcJoinGroup('blue')).toMatchObject({ value: true });
    expect(await fleet.at('alpha#blue/rr').rpcJoinGroup('green')).toMatchObject({ value: true });
    expect(await fleet.at('alpha').rpcLeaveGroup('blue')).toMatchObject({ value: true });
    await fleet.at('alpha/rr').messageLeaveGroup('green');
    await member.saying('group.left', 2);
    // It leaves the very group whose messages it is handling.
    expect(await fleet.at(member.id).rpcLeaveGroup('red')).toMatchObject({ value: true });
    expect(member.said('held')).toEqual([]);
    expect(member.work).toEqual([]);

    // Nobody else is there: what waited for this one in the group went with its queue.
    await fleet.at(member.id).messageQuit();
    await member.saying('control.accepted');
    // It takes nothing any more, and waits for what runs.
    await eventually(async () => expect(await fleet.queues()).toEqual([]), LIMIT_MS);
    expect(member.said('held')).toEqual([]);
    member.release();

    expect(await Promise.all(answers)).toHaveLength(8);
    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(member.story.slice(-9)).toEqual([
      ...Array<unknown>(8).fill(expect.stringMatching(/^held/)),
      'after run',
    ]);
    expect(member.work).toEqual([]);
    expect(member.said('after run')).toMatchObject([{ kind: 'quit', by: CONTROLLER }]);
    expect(member.errors.text).toBe('');
  });

  // The command that came by the feed stands in the queue of the process, too, before the marker, and is obeyed again.
  it('does not do again, once it has a hand free, what it has been told before', async () => {
    const fleet = await Fleet.forTest();
    const [member] = (await fleet.startAll([
      ALPHA,
      { name: 'alpha', pid: '102', host: 'west', groups: ['blue'] },
    ])) as [Member, Member];
    for (const id of ['1', '2']) await fleet.at(member.id).command('hold', { id });
    await member.holding('1', '2');
    await fleet.at('alpha@east').messageJoinGroup('blue');
    await member.saying('group.joined');
    expect(await fleet.at('alpha@east/rr').rpcLeaveGroup('blue')).toMatchObject({ value: true });

    await fleet.at(member.id).command('work', { id: 'behind' });
    member.release();
    await member.saying('work');
    // Changes of groups take turns: behind this one, those before are done.
    await fleet.at(member.id).rpcLeaveGroup('none');

    expect(await fleet.at(member.id).rpc('groups')).toMatchObject({ value: ['red'] });
    expect(member.story.filter((line) => line.startsWith('group.'))).toEqual([
      'group.joined blue',
      'group.left blue',
    ]);
  });

  it.each(['alpha/rr', 'alpha#red/rr'])('quits when it is told by %s', async (key) => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start(ALPHA);
    const answers = await keepBusy(fleet, member);

    await fleet.at(key).messageQuit();
    await eventually(async () => expect(await fleet.queues()).toEqual([]), LIMIT_MS);
    expect(member.said('held')).toEqual([]);
    member.release();

    await Promise.all(answers);
    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(member.work).toEqual([]);
    expect(member.said('after run')).toHaveLength(1);
  });
});

describe('commands as Python sends them', () => {
  it('are understood: the recorded bytes, from a plain peer', async () => {
    const fleet = await Fleet.forTest();
    const { peer, exchange } = fleet;
    const member = await fleet.start({ ...ALPHA, groups: [] });

    peer.publish(exchange, 'alpha', vector('command-join-group'), JSON_TYPE);
    expect(await member.saying('group.joined')).toMatchObject([{ group: 'eu' }]);
    peer.publish(exchange, 'alpha@east/rr', vector('command-restart'), JSON_TYPE);
    await member.ready(2);
    peer.publish(exchange, 'alpha/rr', vector('command-quit'), JSON_TYPE);

    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(member.said('control.accepted')).toMatchObject([
      { command: 'restart', fingerprint: PYTHON },
      { command: 'quit', fingerprint: PYTHON },
    ]);
    expect(member.said('after run')).toMatchObject([{ kind: 'quit', by: PYTHON }]);
  });
});

describe('commands from before the start', () => {
  const cases = [
    { compatibility: undefined, flags: { durable: true, autoDelete: true } },
    { compatibility: 'python', flags: { durable: false, autoDelete: true } },
  ] as const;

  it.each(cases)('are not obeyed, wherever they wait: compatibility $compatibility', async (each) => {
    const { compatibility, flags } = each;
    const fleet = await Fleet.forTest(compatibility);
    const { peer, exchange } = fleet;
    const { channel } = peer;
    const control = compatibility
      ? []
      : ['alpha/rr/control', 'alpha@east/rr/control', 'alpha#red/rr/control'];
    const group = { ...flags, autoDelete: compatibility === undefined };
    await channel.assertExchange(exchange, 'direct', { durable: true });
    const queues = ['101@east', 'alpha', 'alpha@east', 'alpha#red', ...control];
    for (const queue of queues) {
      await channel.assertQueue(queue, queue === 'alpha#red' ? group : flags);
      peer.publish('', queue, vector('command-quit'), JSON_TYPE);
      peer.publish('', queue, vector('command-restart'), JSON_TYPE);
      peer.publish('', queue, vector('command-join-group'), JSON_TYPE);
    }
    // By an exchange, into the queue that is the member's own.
    await channel.bindQueue('101@east', exchange, '101@east');
    peer.publish(exchange, '101@east', vector('command-quit'), JSON_TYPE);
    peer.publish(
      '',
      '101@east',
      { ...JSON.parse(vector('command-quit')), name: 'work', content: { parameters: { id: 'last' } } },
      JSON_TYPE,
    );
    await channel.checkQueue('101@east');

    const member = await fleet.start({ ...ALPHA, ...(compatibility && { compatibility }) });

    const expected = queues.flatMap((queue) =>
      ['quit', 'restart', 'join_group'].map((name) => `${queue} ${name}`),
    );
    expected.push('101@east quit');
    const refused = await member.saying('control.refused', expected.length);
    const commands = refused.map(
      ({ at, command }) => `${(at as { queue: string }).queue} ${String(command)}`,
    );
    expect(commands.toSorted()).toEqual(expected.toSorted());
    for (const { reason, fingerprint } of refused) {
      expect(reason).toBe('it was sent before this process began');
      expect(fingerprint).toMatchObject(PYTHON);
    }
    await eventually(() => expect(member.work).toEqual(['last']));
    expect(member.said('control.accepted')).toEqual([]);
    expect(await fleet.at(member.id).rpc('groups')).toMatchObject({ value: ['red'] });
    // Those that come now are.
    peer.publish('', '101@east', vector('command-quit'), JSON_TYPE);
    expect(await member.exit()).toEqual({ code: 0, signal: null });
  });

  // The queue for commands in turn is not watched.
  it('are not obeyed where they wait in the queues of a group that is joined later', async () => {
    const fleet = await Fleet.forTest();
    const { peer } = fleet;
    for (const queue of ['alpha#late', 'alpha#late/rr/control']) {
      await peer.channel.assertQueue(queue, { durable: true, autoDelete: true });
      peer.publish('', queue, vector('command-quit'), { ...JSON_TYPE, timestamp: 1_000_000_000 });
      peer.publish('', queue, vector('command-quit'), JSON_TYPE);
    }
    await peer.channel.checkQueue('alpha#late');
    const member = await fleet.start(ALPHA);

    await fleet.at(member.id).messageJoinGroup('late');

    await member.saying('control.refused', 4);
    expect(member.said('control.accepted')).toEqual([]);
  });
});

describe('quit', () => {
  it('is refused where it is switched off, and the log names who has asked', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start({ ...ALPHA, quit: false, restart: false });

    await fleet.at('alpha').messageQuit();
    await fleet.at('alpha/rr').messageRestart();

    const refused = await member.saying('control.refused', 2);
    expect(refused).toMatchObject([
      { fingerprint: CONTROLLER, reason: 'it is not allowed' },
      { fingerprint: CONTROLLER, reason: 'it is not allowed' },
    ]);
    expect(refused.map(({ command }) => String(command)).toSorted()).toEqual(['quit', 'restart']);
    for (const command of ['quit', 'restart'])
      expect(member.output.with(`refused to ${command}, since it is not allowed`)[0]).toMatch(
        /WARN.*'controller'.*'7'.*'desk'/,
      );
    expect(await fleet.at('alpha').rpcPing()).toMatchObject({ ok: true });
  });

  it('is obeyed where a function that sees body and properties says so', async () => {
    const fleet = await Fleet.forTest();
    const { peer, exchange } = fleet;
    const member = await fleet.start({ ...ALPHA, quit: { token: 'sesame' } });
    const body = JSON.parse(vector('command-quit')) as object;

    // It throws.
    peer.publish(exchange, 'alpha', { ...body, content: { parameters: null } }, JSON_TYPE);
    await member.saying('control.refused', 1);
    await fleet.at('alpha').messageQuit({ token: 'wrong' });
    await member.saying('control.refused', 2);
    const parameters = { token: 'sesame' };
    peer.publish(
      exchange,
      '101@east',
      { ...body, content: { parameters } },
      { ...JSON_TYPE, userId: 'guest', headers: { ticket: 12 } },
    );

    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(member.said('control.refused').map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/can not be told: .*null/),
      'it is not allowed',
    ]);
    expect(member.said('guard').at(-1)).toMatchObject({
      command: 'quit',
      body: { fingerprint: PYTHON, content: { parameters } },
      at: { exchange, routingKey: '101@east', redelivered: false },
      properties: { userId: 'guest', headers: { ticket: 12 } },
    });
  });

  it('that is delivered a second time is not obeyed', async () => {
    const fleet = await Fleet.forTest();
    const { channel } = fleet.peer;
    const member = await fleet.start(ALPHA);
    for (const id of ['1', '2']) await fleet.at('alpha/rr').command('hold', { id });
    await member.holding('1', '2');
    // The member has no hand free, so that the message comes to the peer.
    const got = new Promise<Parameters<typeof channel.nack>[0]>((resolve, reject) => {
      const onMessage = (message: Parameters<typeof channel.nack>[0] | null): void =>
        message ? resolve(message) : reject(new Error('cancelled'));
      channel.consume('alpha', onMessage, { consumerTag: 'first' }).catch(reject);
    });
    await channel.checkQueue('alpha');
    fleet.peer.publish(fleet.exchange, 'alpha/rr', vector('command-quit'), JSON_TYPE);
    const message = await got;
    await channel.cancel('first');
    channel.nack(message, false, true);
    await channel.checkQueue('alpha');
    member.release();

    expect(await member.saying('control.refused')).toMatchObject([
      { command: 'quit', reason: 'it was delivered before', at: { queue: 'alpha', redelivered: true } },
    ]);
    expect(await fleet.at('alpha').rpcPing()).toMatchObject({ ok: true });
  });
});
