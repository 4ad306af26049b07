import { describe, expect, it } from 'vitest';
import { command } from '../integration/world.js';
import { useCompiled } from '../support/compiled.js';
import { report } from './support/measure.js';
import { Ending, PREFETCH, PROGRAM, QUEUED } from './support/shutdown.js';

const TEST = 'test/faults/shutdown.spec.ts';
const WORK_MS = 2_000;
/** For the last handler, the broker's answers, and a machine that is busy; less than any limit of the program's own. */
const LIMIT_MS = 15_000;

useCompiled(PROGRAM);

const sorted = (ids: readonly number[]): number[] => ids.toSorted((a, b) => a - b);

/** How a program has ended that was told to when five of its handlers ran. */
const endOf = async (ending: Ending, fault: string) => {
  const beganMs = performance.now();
  const exit = await ending.child.exit();
  const endedMs = performance.now() - beganMs;
  const { child } = ending;
  const [replies, results] = [await ending.repliesOf(PREFETCH), await ending.resultsOf(PREFETCH)];
  const left = await ending.left();
  const handled = new Set(ending.ids('worked')).size;
  const lost = QUEUED - left.length - handled;
  report({ fault, test: TEST, sent: QUEUED, handled, duplicated: 0, lost, endedMs, handlerMs: WORK_MS });
  const begun = sorted(ending.ids('begun'));
  return {
    exit,
    isInTime: endedMs < LIMIT_MS,
    begun: begun.length,
    // Each exactly once.
    worked: sorted(ending.ids('worked')).join() === begun.join(),
    replies: sorted(replies).join() === begun.join() && ending.replies.items.length,
    results: sorted(results).join() === begun.join() && ending.results.items.length,
    all: sorted([...left.map(({ id }) => id), ...begun]),
    troubles: [
      ...child.said('used when closed'),
      ...child.said('warning'),
      ...child.said('internal.failure'),
    ],
    errors: child.errors.text,
  };
};

/** Nothing is lost, done twice, cut off, or left open. */
const orderly = (code = 0) => ({
  exit: { code, signal: null },
  isInTime: true,
  begun: PREFETCH,
  worked: true,
  replies: PREFETCH,
  results: PREFETCH,
  all: Array.from({ length: QUEUED }, (_, index) => index + 1),
  troubles: [],
  errors: '',
});

describe.each(['standalone', 'hybrid', 'component'] as const)('%s', (kind) => {
  it.each(['last', 'first'] as const)(
    'ends in order on SIGTERM, with the module imported %s',
    async (place) => {
      const ending = await Ending.start({ kind, place });
      await ending.begun();
      ending.child.signal('SIGTERM');
      expect(await endOf(ending, `SIGTERM, ${kind}, module ${place}`)).toEqual(orderly());
    },
  );

  it.each(['last', 'first'] as const)(
    'ends in order by app.close(), with the module imported %s',
    async (place) => {
      const ending = await Ending.start({ kind, place });
      await ending.begun();
      ending.child.signal('SIGUSR2');
      expect(await endOf(ending, `app.close(), ${kind}, module ${place}`)).toEqual(orderly());
      expect(ending.child.said('app closed')).toHaveLength(1);
    },
  );
});

describe('a component', () => {
  it.each([
    ['quit', 0],
    ['restart', 75],
  ] as const)('ends in order on %s', async (name, code) => {
    const ending = await Ending.start({ kind: 'component' });
    await ending.begun();
    const key = `component-${ending.config.queue}`;
    const body = command(name, null);
    ending.peer.publish('generic-application-exchange', key, body, { contentType: 'application/json' });
    expect(await endOf(ending, name)).toEqual(orderly(code));
  });
});
