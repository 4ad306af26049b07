import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deferred } from '../connection/deferred.js';
import type { PostageEvent } from '../observability/observer.js';
import type { RestartMethod } from './application-options.js';
import { ApplicationLifecycle, type LifecycleOptions } from './lifecycle.js';

const LIMIT_MS = 500;
const SENDER = { pid: '1', host: 'h' };
const NEVER = new Promise<never>(() => undefined);

/** A lifecycle, and what has been done in which order. `ended` is in it, too, as soon as it has ended. */
const lifecycleWith = (options: Partial<LifecycleOptions> = {}) => {
  const done: string[] = [];
  const events: PostageEvent[] = [];
  const lifecycle = new ApplicationLifecycle({
    restartBy: () => void done.push('replaced'),
    observer: (event) => events.push(event),
    limitMs: LIMIT_MS,
    started: async () => undefined,
    drain: async () => void done.push('drained'),
    close: async () => void done.push('closed'),
    ...options,
  });
  void lifecycle.ended.then(({ kind }) => done.push(`ended: ${kind}`));
  return { lifecycle, done, events };
};

/** Everything that can happen without time going by has happened. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

let exitCode: typeof process.exitCode;
beforeEach(() => {
  exitCode = process.exitCode;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  process.exitCode = exitCode;
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('ApplicationLifecycle, on quit', () => {
  it('drains, calls hooks in order, closes, and has ended then', async () => {
    const { lifecycle, done, events } = lifecycleWith();
    lifecycle.onEnd(() => done.push('first hook'));
    lifecycle.onEnd(async () => {
      await Promise.resolve();
      done.push('second hook');
    });
    expect(lifecycle.isEnding).toBe(false);

    const quit = lifecycle.quit(SENDER);

    expect(lifecycle.isEnding).toBe(true);
    await quit;
    await settled();
    expect(done).toEqual(['drained', 'first hook', 'second hook', 'closed', 'ended: quit']);
    expect(await lifecycle.ended).toEqual({ kind: 'quit', by: SENDER });
    expect([lifecycle.isEnding, events]).toEqual([true, []]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not begin a step before the one ahead of it is over', async () => {
    const [drained, hooked, closed] = [deferred<void>(), deferred<void>(), deferred<void>()];
    const begun: string[] = [];
    const step = (name: string, until: Promise<void>) => (): Promise<void> => {
      begun.push(name);
      return until;
    };
    const { lifecycle, done } = lifecycleWith({
      drain: step('drain', drained.promise),
      close: step('close', closed.promise),
    });
    lifecycle.onEnd(step('hook', hooked.promise));
    void lifecycle.quit();

    await settled();
    expect(begun).toEqual(['drain']);
    drained.resolve();
    await settled();
    expect(begun).toEqual(['drain', 'hook']);
    hooked.resolve();
    await settled();
    expect([begun, done]).toEqual([['drain', 'hook', 'close'], []]);
    closed.resolve();
    await settled();
    expect(done).toEqual(['ended: quit']);
  });

  it('ends without anybody who has asked for it, and without hooks', async () => {
    const { lifecycle } = lifecycleWith();
    await lifecycle.quit();

    expect(await lifecycle.ended).toEqual({ kind: 'quit', by: undefined });
  });

  it('does not replace the program', async () => {
    const { lifecycle, done } = lifecycleWith();
    await lifecycle.quit();

    expect(done).not.toContain('replaced');
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('is not stopped by a hook that %s, and tells of it', async (_what, hook) => {
    const { lifecycle, done, events } = lifecycleWith();
    lifecycle.onEnd(hook);
    lifecycle.onEnd(() => done.push('next hook'));
    await lifecycle.quit();
    await settled();

    expect(done).toEqual(['drained', 'next hook', 'closed', 'ended: quit']);
    expect(events).toEqual([
      { kind: 'internal.failure', where: 'a hook of the end', error: new Error('broken') },
    ]);
  });

  it('is not stopped by an observer that throws on top of it', async () => {
    const observer = (): never => {
      throw new Error('nor can it be told');
    };
    const { lifecycle, done } = lifecycleWith({ observer });
    lifecycle.onEnd(() => Promise.reject(new Error('broken')));
    await lifecycle.quit();
    await settled();

    expect(done).toEqual(['drained', 'closed', 'ended: quit']);
  });

  it('waits no longer than its limit for each hook', async () => {
    const { lifecycle, done } = lifecycleWith();
    lifecycle.onEnd(() => NEVER);
    lifecycle.onEnd(() => {
      done.push('next hook');
      return NEVER;
    });
    void lifecycle.quit();

    await vi.advanceTimersByTimeAsync(LIMIT_MS - 1);
    expect(done).toEqual(['drained']);
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toEqual(['drained', 'next hook']);
    await vi.advanceTimersByTimeAsync(LIMIT_MS);
    expect(done).toEqual(['drained', 'next hook', 'closed', 'ended: quit']);
  });

  it('tells of a hook that fails after its time', async () => {
    const late = deferred<void>();
    const { lifecycle, done, events } = lifecycleWith();
    lifecycle.onEnd(() => late.promise);
    void lifecycle.quit();
    await vi.advanceTimersByTimeAsync(LIMIT_MS);
    expect([done.at(-1), events]).toEqual(['ended: quit', []]);

    late.reject(new Error('late'));
    await settled();
    expect(events).toMatchObject([{ kind: 'internal.failure', error: new Error('late') }]);
  });

  it('calls no hook that was taken back, and one only once that was given twice', async () => {
    const { lifecycle, done } = lifecycleWith();
    const twice = (): unknown => done.push('twice');
    const takeBack = lifecycle.onEnd(() => done.push('taken back'));
    lifecycle.onEnd(twice);
    lifecycle.onEnd(twice);
    takeBack();
    takeBack();
    await lifecycle.quit();
    await settled();

    expect(done).toEqual(['drained', 'twice', 'closed', 'ended: quit']);
  });

  it('ends in time although a hook waits for the end itself', async () => {
    const { lifecycle, done } = lifecycleWith();
    const quit = lifecycle.quit();
    lifecycle.onEnd(() => quit);
    lifecycle.onEnd(() => lifecycle.ended);
    await vi.advanceTimersByTimeAsync(2 * LIMIT_MS);

    expect(done).toEqual(['drained', 'closed', 'ended: quit']);
  });
});

describe('ApplicationLifecycle, told to end more than once', () => {
  it('lets further quits and restarts join a quit', async () => {
    const drained = deferred<void>();
    const drain = vi.fn<() => Promise<void>>(() => drained.promise);
    const { lifecycle, done } = lifecycleWith({ drain });
    const end = lifecycle.quit(SENDER);
    const others = [lifecycle.quit({ pid: '2' }), lifecycle.restart({ pid: '3' })];
    await settled();
    others.push(lifecycle.restart(), lifecycle.quit());
    for (const other of others) expect(other).toBe(end);

    drained.resolve();
    await Promise.all(others);
    await lifecycle.quit();
    await lifecycle.restart();

    expect(drain).toHaveBeenCalledOnce();
    expect(done).toEqual(['closed', 'ended: quit']);
    expect(await lifecycle.ended).toEqual({ kind: 'quit', by: SENDER });
  });

  it('lets a quit overrule a restart that has not come yet, and no other', async () => {
    const drained = deferred<void>();
    const { lifecycle, done } = lifecycleWith({ drain: () => drained.promise });
    const end = lifecycle.restart({ pid: '2' });
    expect(lifecycle.restart({ pid: '3' })).toBe(end);
    expect(lifecycle.decide({ kind: 'restart' })).toBe(false);
    expect(lifecycle.quit(SENDER)).toBe(end);
    drained.resolve();
    await end;
    expect(done).toEqual(['closed', 'ended: quit']);
    expect(await lifecycle.ended).toEqual({ kind: 'quit', by: SENDER });

    const replaced = deferred<void>();
    const late = lifecycleWith({ restartBy: () => replaced.promise });
    const restart = late.lifecycle.restart(SENDER);
    await settled();
    void late.lifecycle.quit();
    replaced.resolve();
    await restart;
    expect(await late.lifecycle.ended).toEqual({ kind: 'restart', by: SENDER });
  });

  it('does not change its end when the program is closed from within a hook', async () => {
    const { lifecycle, done } = lifecycleWith();
    lifecycle.onEnd(() => lifecycle.closed());
    await lifecycle.quit(SENDER);
    lifecycle.closed();
    await settled();

    expect(done).toEqual(['drained', 'closed', 'ended: quit']);
    expect(await lifecycle.ended).toEqual({ kind: 'quit', by: SENDER });
  });

  it('still restarts when the program is closed from within a hook', async () => {
    const { lifecycle, done } = lifecycleWith();
    lifecycle.onEnd(() => lifecycle.closed());
    await lifecycle.restart();
    await settled();

    expect(done).toEqual(['drained', 'closed', 'replaced', 'ended: restart']);
  });
});

describe('ApplicationLifecycle, when the program closes by itself', () => {
  it('has ended, with nothing left to do', async () => {
    const { lifecycle, done } = lifecycleWith();
    lifecycle.onEnd(() => done.push('hook'));
    lifecycle.closed();

    expect(lifecycle.isEnding).toBe(true);
    expect(await lifecycle.ended).toEqual({ kind: 'closed' });
    expect(done).toEqual(['ended: closed']);
  });

  it('neither quits nor restarts afterwards', async () => {
    const { lifecycle, done } = lifecycleWith();
    lifecycle.closed();
    await lifecycle.quit(SENDER);
    await lifecycle.restart(SENDER);
    lifecycle.closed();

    expect(done).toEqual(['ended: closed']);
    expect(await lifecycle.ended).toEqual({ kind: 'closed' });
  });
});

describe('ApplicationLifecycle, where something fails', () => {
  it('ends all the same, and reports it', async () => {
    const fail = (): Promise<never> => Promise.reject(new Error('broken'));
    const { lifecycle, done, events } = lifecycleWith({ drain: fail, close: fail, started: fail });
    await lifecycle.quit();
    await settled();
    expect(done).toEqual(['ended: quit']);
    expect(events).toMatchObject([
      { kind: 'internal.failure', where: 'draining at the end' },
      { kind: 'internal.failure', where: 'closing at the end' },
    ]);
  });

  it('waits for a start that is going on, but not for ever', async () => {
    const start = deferred<void>();
    const { lifecycle, done } = lifecycleWith({ started: () => start.promise });
    void lifecycle.quit();
    await settled();
    expect(done).toEqual([]);
    start.resolve();
    await settled();
    expect(done).toEqual(['drained', 'closed', 'ended: quit']);

    const hanging = lifecycleWith({ started: () => NEVER });
    void hanging.lifecycle.quit();
    await vi.advanceTimersByTimeAsync(LIMIT_MS);
    expect(hanging.done).toEqual(['drained', 'closed', 'ended: quit']);
  });
});

describe('ApplicationLifecycle, on restart', () => {
  it('ends like quit, then calls the function that replaces the program', async () => {
    const { lifecycle, done, events } = lifecycleWith();
    lifecycle.onEnd(() => done.push('hook'));
    await lifecycle.restart(SENDER);
    await settled();

    expect(done).toEqual(['drained', 'hook', 'closed', 'replaced', 'ended: restart']);
    expect(await lifecycle.ended).toEqual({ kind: 'restart', by: SENDER });
    expect([events, process.exitCode]).toEqual([[], exitCode]);
  });

  it('has not ended before that function is through', async () => {
    const replaced = deferred<void>();
    const { lifecycle, done } = lifecycleWith({ restartBy: () => replaced.promise });
    void lifecycle.restart();
    await settled();
    expect(done).toEqual(['drained', 'closed']);

    replaced.resolve();
    await settled();
    expect(done).toEqual(['drained', 'closed', 'ended: restart']);
  });

  it.each<[string, RestartMethod]>([
    [
      'throws',
      () => {
        throw new Error('no successor');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no successor'))],
  ])('lets the program fail visibly when that function %s', async (_what, restartBy) => {
    const { lifecycle, done, events } = lifecycleWith({ restartBy });
    await lifecycle.restart();
    await settled();

    const error = new Error('no successor');
    expect(events).toEqual([{ kind: 'internal.failure', where: 'restarting the program', error }]);
    expect(process.exitCode).toBe(1);
    expect(done).toEqual(['drained', 'closed', 'ended: restart']);
  });

  it('exits with the code that a supervisor waits for, after everything is closed', async () => {
    const done: string[] = [];
    // Only a process of its own could let it happen.
    const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
      done.push(`exit ${String(code)}`);
      return NEVER as never;
    });
    const close = async (): Promise<void> => void done.push('closed');
    const { lifecycle } = lifecycleWith({ restartBy: { exitCode: 42 }, close });
    await lifecycle.restart();

    expect(done).toEqual(['closed', 'exit 42']);
    expect(exit).toHaveBeenCalledOnce();
  });
});
