import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { LIMIT_MS, useMembers, type Member, type Said } from './fleet-process.js';
import { Fleet } from './fleet-world.js';

useMembers();

const ALPHA = { name: 'alpha', pid: '101', host: 'east' } as const;
const LEAST_NUMBERS = 500;
/** So many may be under way: a queue that grows without end would only test the broker. */
const AHEAD = 100;

/** What a program finds of itself, but for its process. */
const programOf = ({ argv, execArgv, cwd, env }: Said): object => ({ argv, execArgv, cwd, env });

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const lastPidOf = (member: Member): number => Number(member.said('begun').at(-1)?.['pid']);

describe('a fleet that is restarted, one member after the other', () => {
  it('handles every message in turn at least once', async ({ annotate }) => {
    const fleet = await Fleet.forTest();
    const pids = ['101', '102', '103', '104'];
    const members = await fleet.startAll(pids.map((pid) => ({ ...ALPHA, pid, workMs: 5, prefetch: 8 })));
    const handled = (): string[] => members.flatMap(({ work }) => work);
    const inTurn = fleet.at('alpha/rr');

    const sent: string[] = [];
    const publish = async (): Promise<void> => {
      const batch = Array.from({ length: 10 }, (_, index) => String(sent.length + index));
      // Confirmed, and returned when nobody is there.
      await Promise.all(batch.map((id) => inTurn.with({ mandatory: true }).command('work', { id })));
      sent.push(...batch);
      await eventually(() => expect(handled().length).toBeGreaterThan(sent.length - AHEAD), LIMIT_MS);
    };
    const restartOneByOne = async (): Promise<void> => {
      for (const member of members) {
        const before = sent.length;
        await eventually(() => expect(sent.length).toBeGreaterThan(before + 20), LIMIT_MS);
        await fleet.at(member.id).messageRestart();
        await member.ready(2);
        expect(await fleet.at(member.id).rpcPing()).toMatchObject({ value: { pid: member.config.pid } });
      }
    };
    const restarts = { done: false };
    const restarting = restartOneByOne().finally(() => (restarts.done = true));
    while (!restarts.done || sent.length < LEAST_NUMBERS) await publish();
    await restarting;

    await eventually(() => expect(new Set(handled()).size).toBe(sent.length), LIMIT_MS);
    expect(handled().every((id) => sent.includes(id))).toBe(true);
    const duplicates = handled().length - sent.length;
    await annotate(`${sent.length} messages, ${duplicates} handled more than once`);
    for (const member of members) {
      const [first, second, ...more] = member.said('begun') as [Said, Said, ...Said[]];
      expect(more).toEqual([]);
      expect(programOf(second)).toEqual(programOf(first));
      expect(member.said('control.accepted')).toMatchObject([{ command: 'restart' }]);
      // The program that is replaced does not go on.
      expect(member.said('after run')).toEqual([]);
      expect(member.errors.text).toBe('');
    }

    await fleet.at('alpha').messageQuit();
    for (const member of members) {
      expect(await member.exit()).toEqual({ code: 0, signal: null });
      expect(member.said('after run')).toMatchObject([{ kind: 'quit' }]);
    }
    await eventually(async () => expect(await fleet.queues()).toEqual([]));
  });
});

describe('a member that was restarted', () => {
  it('can be restarted again, and its process ends as the last execution ends', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start(ALPHA);
    for (const execution of [2, 3]) {
      await fleet.at(member.id).messageRestart();
      await member.ready(execution);
    }
    const [first, , third] = member.said('begun') as [Said, Said, Said];
    expect(programOf(third)).toEqual(programOf(first));
    const pid = lastPidOf(member);
    const answer = fleet.at(member.id).rpc('hold', { id: 'one' });
    await member.holding('one');

    // To the process that was started; the one that runs now hears of it, and lets its handlers end.
    member.signal('SIGTERM');
    await eventually(async () => expect(await fleet.isConsumed('alpha')).toBe(false), LIMIT_MS);
    member.release();

    expect(await answer).toMatchObject({ value: 'one' });
    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(isAlive(pid)).toBe(false);
    await eventually(async () => expect(await fleet.queues()).toEqual([]));
  });

  it('is killed, and the process that waits for it ends in the same way', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start(ALPHA);
    await fleet.at(member.id).messageRestart();
    await member.ready(2);

    process.kill(lastPidOf(member), 'SIGKILL');

    expect(await member.exit()).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('restartBy', () => {
  it('{ exitCode } ends the process with that code, for whoever supervises it', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start({ ...ALPHA, restartBy: { exitCode: 75 } });
    const answer = fleet.at(member.id).rpc('hold', { id: 'one' });
    await member.holding('one');

    await fleet.at('alpha').messageRestart();
    await eventually(async () => expect(await fleet.isConsumed('alpha')).toBe(false), LIMIT_MS);
    member.release();

    expect(await answer).toMatchObject({ value: 'one' });
    expect(await member.exit()).toEqual({ code: 75, signal: null });
    expect(member.said('begun')).toHaveLength(1);
    expect(member.said('after run')).toEqual([]);
  });

  it('a function is called when everything is closed, and then the program goes on', async () => {
    const fleet = await Fleet.forTest();
    const member = await fleet.start({ ...ALPHA, restartBy: 'function' });

    await fleet.at('alpha').messageRestart();

    expect(await member.exit()).toEqual({ code: 0, signal: null });
    expect(member.story.slice(-2)).toEqual(['replaced by a function', 'after run']);
    expect(member.said('after run')).toMatchObject([{ kind: 'restart' }]);
    expect(member.said('begun')).toHaveLength(1);
  });
});
