import { Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Address,
  ApplicationLifecycle,
  ApplicationMember,
  ApplicationProducer,
  defineExchange,
  FleetDirectory,
  GenericApplication,
  GenericApplicationExchange,
  InjectApplication,
  PostageModule,
  RpcHandler,
  type ControlRequest,
  type FleetMember,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useApplications } from './application-world.js';

describe.each(TEST_BROKERS)('an application on $broker', ({ open }) => {
  const { world, member, operator } = useApplications(open);

  it('answers ping with its fingerprint, and its own commands, by name and by types', async () => {
    const { pid, address, heard } = await member();
    const { applications, worker } = await operator();
    const ping = await applications.at(Address.name('worker')).rpcPing();
    expect(ping.unwrap()).toMatchObject({ name: 'worker', type: 'application', host: 'h1', pid });
    expect((await applications.at(address, worker).rpcDouble(21)).unwrap()).toBe(42);
    expect((await applications.at(address).rpc<number>('double', 4)).unwrap()).toBe(8);
    await applications.at(Address.host('h1')).command('note', 'hello');
    expect(await heard.take(1)).toEqual(['hello']);
  });

  it('answers once where a fan-out key leads to it by two ways, and once for each member to gather', async () => {
    const [first, second] = [await member(), await member({ host: 'h2' })];
    const { applications } = await operator();
    const all = applications.at(Address.name('worker'));
    // Connected: what follows is the time of the answers alone.
    await all.rpcPing();
    const answered = [];
    for await (const { value } of all.gather<{ pid: string }>('ping', undefined, { timeoutMs: 2_000 }))
      answered.push((value as { pid: string }).pid);
    expect(new Set(answered)).toEqual(new Set([first.pid, second.pid]));
    expect(answered).toHaveLength(2);
    expect(first.events.of('message.unhandled').items).toEqual([]);
  });

  it('says of itself what it handles, where it is, and which versions', async () => {
    const { address, pid } = await member({ application: { groups: ['eu'], version: '1.2.3' } });
    const { applications } = await operator();
    const description = (await applications.at(address).rpcDescribe()).unwrap();
    expect(description).toMatchObject({
      fingerprint: { name: 'worker', pid },
      groups: ['eu'],
      versions: { application: '1.2.3', library: expect.stringMatching(/^\d+\.\d+\.\d+/) as string },
      inFlight: expect.any(Number) as number,
    });
    expect(description.handles).toContainEqual({ category: 'rpc', type: 'command', name: 'double' });
    expect(Date.parse(description.startedAt)).toBeLessThanOrEqual(Date.now());
  });

  it('joins and leaves groups, by message, by rpc, and by itself', async () => {
    const { app, address, events, heard } = await member();
    const { applications } = await operator();
    const self = app.get(ApplicationMember);
    expect((await applications.at(address).rpcJoinGroup('a')).unwrap()).toBe(true);
    expect((await applications.at(address).rpcJoinGroup('a')).unwrap()).toBe(false);
    await applications.at(address).messageJoinGroup('b');
    expect(await events.of('group.joined').take(2)).toMatchObject([{ group: 'a' }, { group: 'b' }]);
    expect([await self.join('c'), self.groups]).toEqual([true, ['a', 'b', 'c']]);
    for (const to of [Address.group('worker', 'b'), Address.groupRoundRobin('worker', 'c')])
      await applications.at(to).with({ mandatory: true }).command('note', to.key);
    expect(await heard.take(2)).toEqual(['worker#b', 'worker#c/rr']);

    expect((await applications.at(address).rpcLeaveGroup('b')).unwrap()).toBe(true);
    expect([await self.leave('b'), self.groups]).toEqual([false, ['a', 'c']]);
    for (const gone of [Address.group('worker', 'b'), Address.groupRoundRobin('worker', 'b')])
      await expect(
        applications.at(gone).with({ mandatory: true }).command('note', 'nobody'),
      ).rejects.toMatchObject({ code: 'UNROUTABLE' });
  });

  it('refuses a group that could not be part of an address, and goes on', async () => {
    const { address } = await member();
    const { applications } = await operator();
    const result = await applications.at(address).rpcJoinGroup('a/b');
    expect(result).toMatchObject({ type: 'exception', value: 'InvalidOptionError' });
    expect(result.ok ? '' : result.message).toContain('group_name');
    expect(await applications.at(address).rpc('join_group')).toMatchObject({ type: 'exception' });
    expect((await applications.at(address).rpcPing()).ok).toBe(true);
  });

  it('comes back after a loss of its connection, with the groups that it is in by then', async () => {
    const { address, events, heard } = await member({
      application: { groups: ['old', 'left'] },
      options: { reconnect: { initialDelayMs: 50, maxDelayMs: 50 } },
    });
    const { applications } = await operator({ reconnect: { initialDelayMs: 50, maxDelayMs: 50 } });
    await applications.at(address).rpcJoinGroup('new');
    await applications.at(address).rpcLeaveGroup('left');
    const isConsuming = (): number =>
      events.of('connection.ready').items.filter(({ role }) => role === 'consume').length;
    const before = isConsuming();
    world.broker.cut();
    await eventually(() => expect(isConsuming()).toBeGreaterThan(before));
    const told = [Address.group('worker', 'new'), Address.groupRoundRobin('worker', 'old')];
    for (const to of told) await applications.at(to).with({ mandatory: true }).command('note', to.key);
    expect(new Set(await heard.take(2))).toEqual(new Set(told.map(({ key }) => key)));
    await expect(applications.at(Address.group('worker', 'left')).rpcPing()).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
    expect((await applications.at(Address.roundRobin('worker')).rpcPing()).ok).toBe(true);
  });

  it('can have an exchange of its own, apart from all others', async () => {
    const Own = defineExchange({ name: 'own-applications', autoDelete: true });
    const { address } = await member({ application: { exchange: Own } });
    const { applications } = await operator();
    await expect(applications.at(address).rpcPing()).rejects.toMatchObject({ code: 'UNROUTABLE' });
    expect((await applications.through(Own).at(address).rpcPing()).ok).toBe(true);
  });

  it('quits when it is told: the program goes on behind `ended`, and knows who asked', async () => {
    const { app, address, events } = await member();
    const { applications } = await operator();
    const lifecycle = app.get(ApplicationLifecycle);
    const closed: string[] = [];
    lifecycle.onEnd(async () => {
      await app.close();
      closed.push('app');
    });
    await applications.at(address).messageQuit();
    expect(await lifecycle.ended).toMatchObject({ kind: 'quit', by: { name: 'operator' } });
    expect(closed).toEqual(['app']);
    expect(events.of('control.accepted').items).toMatchObject([
      { command: 'quit', fingerprint: { name: 'operator' } },
    ]);
    await expect(applications.at(address).rpcPing()).rejects.toMatchObject({ code: 'UNROUTABLE' });
  });

  it('does not quit or restart where that is switched off, or a function says no', async () => {
    const asked: ControlRequest[] = [];
    const quit = (request: ControlRequest): boolean => {
      asked.push(request);
      if (asked.length > 1) throw new Error('no idea');
      return false;
    };
    const { address, events } = await member({ application: { quit, restart: false } });
    const { applications } = await operator();
    const refusals = events.of('control.refused');
    await applications.at(address).messageQuit({ token: 'x' });
    await refusals.take(1);
    await applications.at(address).messageQuit();
    await refusals.take(2);
    await applications.at(address).messageRestart();
    expect(await refusals.take(3)).toMatchObject([
      {
        command: 'quit',
        fingerprint: { name: 'operator' },
        reason: expect.stringContaining('not allowed') as string,
      },
      { command: 'quit', reason: expect.stringContaining('no idea') as string },
      { command: 'restart', reason: expect.stringContaining('not allowed') as string },
    ]);
    expect(asked[0]).toMatchObject({
      command: 'quit',
      body: { content: { parameters: { token: 'x' } } },
      at: { exchange: GenericApplicationExchange.name, routingKey: address.key },
    });
    expect((await applications.at(address).rpcPing()).ok).toBe(true);
  });

  it('restarts by a function when everything is closed', async () => {
    const steps: string[] = [];
    const { app, address, events } = await member({
      application: { restartBy: () => void steps.push('restarted') },
    });
    const { applications } = await operator();
    const lifecycle = app.get(ApplicationLifecycle);
    lifecycle.onEnd(() => steps.push('hook'));
    await applications.at(address).messageRestart();
    expect(await lifecycle.ended).toMatchObject({ kind: 'restart' });
    expect(steps).toEqual(['hook', 'restarted']);
    expect(events.of('internal.failure').items).toEqual([]);
  });

  it('is closed by its program: `ended` says so', async () => {
    const { app } = await member();
    const { ended } = app.get(ApplicationLifecycle);
    await app.close();
    expect(await ended).toEqual({ kind: 'closed' });
  });

  it('may be one class, which runs until it is told to quit', async () => {
    const ready = new Inbox<Address>();
    class Whole extends GenericApplication implements OnApplicationBootstrap {
      onApplicationBootstrap(): void {
        ready.push(this.member.address);
      }

      @RpcHandler('command', 'groups')
      groups(): readonly string[] {
        return this.member.groups;
      }
    }
    const { connection } = world.broker;
    const running = Whole.run({
      name: 'whole',
      application: { groups: ['eu'] },
      postage: { connection, log: false },
    });
    const { applications } = await operator();
    const [address] = await ready.take(1);
    const whole = applications.at(address as Address);
    await eventually(async () => expect((await whole.rpc('groups')).value).toEqual(['eu']));
    await whole.messageQuit();
    expect(await running).toMatchObject({ kind: 'quit', by: { name: 'operator' } });
  });

  it('is seen by a directory: when it comes, which groups, when it goes', async () => {
    const { app } = await operator();
    const directory = app.get(FleetDirectory);
    const shown = (): unknown[] =>
      directory.members.map(({ id, groups, state }: FleetMember) => [id, groups, state]);
    await directory.start();
    const { address, app: worker } = await member({
      application: { groups: ['eu'], presence: { intervalMs: 60_000 } },
    });
    await eventually(() => expect(shown()).toEqual([[address.key, ['eu'], 'present']]));
    await worker.get(ApplicationMember).join('us');
    await eventually(() => expect(shown()).toEqual([[address.key, ['eu', 'us'], 'present']]));
    const silent = await member({ name: 'mailer' });
    expect(directory.absent(['worker', 'mailer'])).toEqual(['mailer']);
    const answered = await directory.refresh(Address.name('mailer'), { timeoutMs: 1_500 });
    expect(answered.map(({ id }) => id)).toEqual([silent.address.key]);
    expect(directory.absent(['worker', 'mailer'])).toEqual([]);
    await silent.app.close();
    await directory.refresh(Address.name('mailer'), { timeoutMs: 1_500 });
    expect(directory.missing.map(({ id }) => id)).toEqual([silent.address.key]);
    await worker.close();
    await eventually(() => expect(directory.members.map(({ id }) => id)).toEqual([silent.address.key]));
    directory.forget(silent.address.key);
    expect(directory.members).toEqual([]);
  });

  it('is refused at start with a name that could not be addressed', async () => {
    for (const [name, host] of [
      ['a/b', 'h'],
      ['a@b', 'h'],
      ['a#b', 'h'],
      ['42', 'h'],
      ['a', 'h#1'],
      ['a', 'x'.repeat(250)],
    ] as const)
      await expect(member({ name, host })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('is injected by the name of its connection', async () => {
    const { address } = await member();
    @Injectable()
    class Named {
      constructor(
        @InjectApplication(ApplicationProducer, 'second') readonly applications: ApplicationProducer,
      ) {}
    }
    const { connection } = world.broker;
    @Module({ imports: [PostageModule.forRoot({ name: 'second', connection })], providers: [Named] })
    class NamedModule {}
    const app = await NestFactory.createApplicationContext(NamedModule, { logger: false });
    world.atEnd(() => app.close());
    expect((await app.get(Named).applications.at(address).rpcPing()).ok).toBe(true);
  });

  it('is none without the option, and says so to who uses it', async () => {
    const { app } = await operator();
    const self = app.get(ApplicationMember);
    expect(() => self.address).toThrow(/application: \{\}/);
  });
});
