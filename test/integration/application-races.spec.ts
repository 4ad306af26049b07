import {
  Address,
  ApplicationLifecycle,
  ApplicationMember,
  GenericConsumer,
  type Compatibility,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useApplications } from './application-world.js';
import { Gate } from './rpc-once-asker.js';

const ROUNDS = 20;
const MODES: readonly Compatibility[] = ['none', 'python'];

describe.each(TEST_BROKERS)('members that come and go on $broker', ({ open }) => {
  const { world, member, operator } = useApplications(open);

  it.each(MODES)('share a group that one joins while the last one leaves (%s)', async (compatibility) => {
    const options = { compatibility };
    const name = `m-${compatibility}`;
    const leaver = (await member({ name, options })).app.get(ApplicationMember);
    const { applications } = await operator(options);
    for (let round = 0; round < ROUNDS; round += 1) {
      // A fresh one each time: it knows nothing of the queue.
      const { app } = await member({ name, options });
      const group = `g${round % 3}`;
      await leaver.join(group);
      const joiner = app.get(ApplicationMember);
      expect(await Promise.all([leaver.leave(group), joiner.join(group)])).toEqual([true, true]);
      const inTurn = applications.at(Address.groupRoundRobin(name, group));
      expect((await inTurn.rpc<number>('double', round)).unwrap()).toBe(2 * round);
      await app.close();
    }
  });

  it('are in the groups that they have joined and not left before they listen', async () => {
    const { app, address, heard } = await member({
      application: { groups: ['left'] },
      configure: (early) => {
        const self = early.get(ApplicationMember);
        void self.join('early');
        void self.leave('left');
      },
    });
    expect(app.get(ApplicationMember).groups).toEqual(['early']);
    const { applications } = await operator();
    const told = [Address.group('worker', 'early'), Address.groupRoundRobin('worker', 'early'), address];
    for (const to of told) await applications.at(to).with({ mandatory: true }).command('note', to.key);
    expect(new Set(await heard.take(3))).toEqual(new Set(told.map(({ key }) => key)));
    await expect(applications.at(Address.group('worker', 'left')).rpcPing()).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
    await app.close();
    expect((await world.queues()).filter((queue) => queue === address.key)).toEqual([]);
  });

  it('handle as many at once in a group joined later as their processor says', async () => {
    const gate = new Gate();
    const { app, heard } = await member({ prefetch: 1, onNote: () => gate.passed() });
    await app.get(ApplicationMember).join('late');
    const { applications } = await operator();
    const group = applications.at(Address.groupRoundRobin('worker', 'late')).with({ mandatory: true });
    for (const value of [1, 2, 3]) await group.command('note', value);
    await heard.take(1);
    const { snapshot } = app.get(GenericConsumer);
    expect(snapshot.find(({ queue }) => queue === 'worker#late')?.inFlight).toBe(1);
    gate.open();
    expect(await heard.take(3)).toEqual([1, 2, 3]);
  });

  it('quit when they are told so while a restart lets handlers finish', async () => {
    const gate = new Gate();
    const replaced: string[] = [];
    const { app, address, heard, events } = await member({
      application: { restartBy: () => void replaced.push('replaced') },
      onNote: () => gate.passed(),
    });
    const { applications } = await operator();
    await applications.at(address).command('note', 'work');
    await heard.take(1);
    await applications.at(address).messageRestart();
    const accepted = events.of('control.accepted');
    await accepted.take(1);
    await eventually(() =>
      expect(app.get(GenericConsumer).snapshot.some(({ attached }) => attached)).toBe(false),
    );
    // Whoever asks then gets no answer any more: it has said good-bye.
    const late = applications.at(Address.name('worker')).with({ timeoutMs: 100, maxRetry: 0 });
    expect(await late.rpcPing()).toMatchObject({ value: 'TimeoutError' });
    await applications.at(Address.name('worker')).messageQuit();
    // By then its own queue may have gone, but not the way for commands.
    expect((await accepted.take(2)).map(({ command }) => command)).toEqual(['restart', 'quit']);
    gate.open();
    expect(await app.get(ApplicationLifecycle).ended).toMatchObject({ kind: 'quit' });
    expect(replaced).toEqual([]);
  });

  it('take each command once, however often they change groups meanwhile', async () => {
    const { app, address, events } = await member();
    const self = app.get(ApplicationMember);
    const { applications } = await operator();
    const at = applications.at(address);
    for (let round = 0; round < ROUNDS; round += 1) {
      const [joined] = await Promise.all([at.rpcJoinGroup(`g${round}`), self.join('x'), at.rpcPing()]);
      expect(joined.unwrap()).toBe(true);
      await Promise.all([at.messageLeaveGroup(`g${round}`), self.leave('x')]);
    }
    const counts = (): unknown[] =>
      (['group.joined', 'group.left'] as const).map((kind) => events.of(kind).items.length);
    await eventually(() => expect(counts()).toEqual([2 * ROUNDS, 2 * ROUNDS]));
    expect(self.groups).toEqual([]);
  });
});
