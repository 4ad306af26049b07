import { Address, ApplicationMember } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useApplications } from './application-world.js';
import { DiskFull, QUICK } from './retry-world.js';

/** All that an application could say. */
const EVERYTHING = { retry: QUICK, deadLetter: true } as const;

describe.each(TEST_BROKERS)('an application with a policy on $broker', ({ open }) => {
  const { world, member, operator } = useApplications(open);

  it('does not try again the commands that every component understands, and keeps none of them', async () => {
    const { events, address, pid } = await member({ options: EVERYTHING });
    const { applications } = await operator();

    await applications.at(address).command('join_group', { group_name: 'not/a/group' });

    const [failure] = await events.of('handler.failed').take(1);
    expect(failure).toMatchObject({
      handler: 'application command "join_group"',
      attempt: 1,
      next: 'reject',
    });
    expect((await applications.at(address).rpcPing()).unwrap()).toMatchObject({ pid });
    expect(events.of('handler.failed').items).toHaveLength(1);
    const names = await world.broker.queues();
    expect(names.filter((name) => name.includes('.dead'))).toEqual([]);
  });

  it('tries again its own, by queues that go when nobody uses them', async () => {
    let failures = 2;
    const { heard, events, address, pid } = await member({
      options: EVERYTHING,
      onNote: () => {
        failures -= 1;
        if (failures >= 0) throw new DiskFull();
      },
    });
    const { applications } = await operator();

    await applications.at(address).command('note', 'hello');

    expect(await heard.take(3)).toEqual(['hello', 'hello', 'hello']);
    expect(events.of('handler.failed').items).toMatchObject([
      { attempt: 1, next: 'retry' },
      { attempt: 2, next: 'retry' },
    ]);
    const waits = (await world.broker.queues()).filter((name) => name.startsWith(`${pid}@h1.retry.`));
    expect(waits.toSorted()).toEqual([`${pid}@h1.retry.20`, `${pid}@h1.retry.60`]);
    // Only commands come there, and they are not tried again.
    const names = await world.broker.queues();
    expect(names.filter((name) => name.includes('/control.'))).toEqual([]);
    expect(names.filter((name) => name.endsWith('/control'))).not.toEqual([]);
  });
});

describe.each(TEST_BROKERS)('a group that is joined on $broker', ({ open }) => {
  const { member, operator, world } = useApplications(open);

  it('has retries like every other queue', async () => {
    let isBroken = true;
    const { app, heard, events } = await member({
      options: EVERYTHING,
      onNote: () => {
        if (!isBroken) return;
        isBroken = false;
        throw new DiskFull();
      },
    });
    await app.get(ApplicationMember).join('eu');
    const { applications } = await operator();

    await applications.at(Address.groupRoundRobin('worker', 'eu')).command('note', 7);

    expect(await heard.take(2)).toEqual([7, 7]);
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'retry', at: { queue: 'worker#eu' } }]);
    await eventually(async () => expect(await world.broker.queues()).toContain('worker#eu.retry.20'));
  });
});
