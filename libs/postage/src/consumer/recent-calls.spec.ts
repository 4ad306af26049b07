import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CallAnswer } from './call-store.js';
import { RecentCalls, type RecentCallsLimits, type RunningCall } from './recent-calls.js';

const MUCH: RecentCallsLimits = { maxCalls: 1_000, maxAgeMs: 1_000, maxBytes: 1_000_000 };

const callNamed = (callId: string): Pick<RunningCall, 'callId' | 'replyTo' | 'correlationId'> => ({
  callId,
  replyTo: `${callId} replies`,
  correlationId: callId,
});
const answerOf = (bytes: number): CallAnswer => ({ content: Buffer.alloc(bytes), contentType: 'x' });

/** Handles a call from its beginning to its end. */
const handle = (recent: RecentCalls, callId: string, bytes = 1): CallAnswer => {
  const answer = answerOf(bytes);
  const run = recent.begin(callNamed(callId));
  recent.answer(run, answer);
  recent.end(run, { answer, isDelivered: true });
  return answer;
};

/** What is known of each call: nothing, that it runs, or its answer. */
const known = (recent: RecentCalls, ...callIds: readonly string[]): unknown[] =>
  callIds.map((callId) => {
    const call = recent.find(callId);
    return call?.kind === 'answered' ? call.answer : call?.kind;
  });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('RecentCalls', () => {
  it('knows a call while it runs: where its answer goes, and when there is one', async () => {
    const recent = new RecentCalls(MUCH);
    expect(recent.find('a')).toBeUndefined();
    const run = recent.begin(callNamed('a'));
    const found = recent.find('a');
    if (found?.kind !== 'running') throw new Error('does not run');
    expect(found.call).toMatchObject(callNamed('a'));
    const sent = { answer: answerOf(1), isDelivered: false };
    recent.end(run, sent);
    expect(await found.call.answered).toBe(sent);
    expect([recent.find('a'), recent.size]).toEqual([undefined, 0]);
  });

  it('tells whoever waits for a run that has come to nothing', async () => {
    const recent = new RecentCalls(MUCH);
    const run = recent.begin(callNamed('a'));
    const found = recent.find('a');
    recent.end(run, undefined);
    expect(found?.kind === 'running' && (await found.call.answered)).toBeUndefined();
    expect(known(recent, 'a')).toEqual([undefined]);
  });

  it('gives the answer again once the run is over', () => {
    const recent = new RecentCalls(MUCH);
    const answer = handle(recent, 'a');
    expect([known(recent, 'a', 'b'), recent.size]).toEqual([[answer, undefined], 1]);
  });

  it('takes a call for a running one until its answer is sent', () => {
    const recent = new RecentCalls(MUCH);
    const answer = answerOf(1);
    const run = recent.begin(callNamed('a'));
    recent.answer(run, answer);
    expect(known(recent, 'a')).toEqual(['running']);
    recent.end(run, undefined);
    expect(known(recent, 'a')).toEqual([answer]);
  });

  it('remembers an answer that comes when the run has ended without one', () => {
    const recent = new RecentCalls(MUCH);
    const run = recent.begin(callNamed('a'));
    recent.end(run, undefined);
    const answer = answerOf(1);
    recent.answer(run, answer);
    expect([known(recent, 'a'), recent.size]).toEqual([[answer], 1]);
  });

  it('minds no second end of a run, neither for those who wait nor for what is remembered', async () => {
    const recent = new RecentCalls(MUCH);
    const run = recent.begin(callNamed('a'));
    const answer = answerOf(1);
    recent.answer(run, answer);
    const sent = { answer, isDelivered: true };
    recent.end(run, sent);
    recent.end(run, undefined);
    expect(await run.answered).toBe(sent);
    expect([known(recent, 'a'), recent.size]).toEqual([[answer], 1]);
  });

  it('leaves a later run of the same call alone when an earlier one is ended once more', async () => {
    const recent = new RecentCalls(MUCH);
    const first = recent.begin(callNamed('a'));
    recent.end(first, undefined);
    const second = recent.begin(callNamed('a'));
    recent.end(first, { answer: answerOf(1), isDelivered: true });
    const found = recent.find('a');
    expect(found?.kind === 'running' && found.call).toBe(second);
    const sent = { answer: answerOf(2), isDelivered: true };
    recent.end(second, sent);
    expect([await first.answered, await second.answered, recent.size]).toEqual([undefined, sent, 0]);
  });

  it('keeps of an answer what is needed to send it again, and nothing beside', () => {
    const recent = new RecentCalls(MUCH);
    const answers: readonly CallAnswer[] = [answerOf(1), { ...answerOf(2), errorName: 'NotFound' }];
    for (const [index, answer] of answers.entries()) {
      const run = recent.begin(callNamed(`${index}`));
      // A decoded body would weigh more than the bytes that are counted.
      recent.answer(run, Object.assign({ body: 'decoded' }, answer));
      recent.end(run, undefined);
    }
    expect(known(recent, '0', '1')).toStrictEqual(answers);
  });

  it('forgets the oldest answers beyond the number, and no call that runs', () => {
    const recent = new RecentCalls({ ...MUCH, maxCalls: 2 });
    for (const callId of ['r', 's', 't']) recent.begin(callNamed(callId));
    const [, b, c] = ['a', 'b', 'c'].map((callId) => handle(recent, callId));
    expect(known(recent, 'r', 's', 't', 'a', 'b', 'c')).toEqual([
      ...['running', 'running', 'running'],
      ...[undefined, b, c],
    ]);
    expect(recent.size).toBe(5);
  });

  it('goes by the order of the answers, not by that of the calls', () => {
    const recent = new RecentCalls({ ...MUCH, maxCalls: 1 });
    const slow = recent.begin(callNamed('slow'));
    handle(recent, 'quick');
    const answer = answerOf(1);
    recent.answer(slow, answer);
    recent.end(slow, undefined);
    expect(known(recent, 'slow', 'quick')).toEqual([answer, undefined]);
  });

  it('forgets the oldest answers beyond the bytes', () => {
    const recent = new RecentCalls({ ...MUCH, maxBytes: 100 });
    const [a, b] = [handle(recent, 'a', 50), handle(recent, 'b', 50)];
    expect(known(recent, 'a', 'b')).toEqual([a, b]);
    const c = handle(recent, 'c', 1);
    expect(known(recent, 'a', 'b', 'c')).toEqual([undefined, b, c]);
    const d = handle(recent, 'd', 49);
    expect(known(recent, 'b', 'c', 'd')).toEqual([b, c, d]);
  });

  it('does not keep an answer that is larger than all may be together', () => {
    const recent = new RecentCalls({ ...MUCH, maxBytes: 100 });
    handle(recent, 'a', 101);
    expect([known(recent, 'a'), recent.size]).toEqual([[undefined], 0]);
    const b = handle(recent, 'b', 100);
    expect(known(recent, 'b')).toEqual([b]);
  });

  it('forgets nothing else for an answer that it can not keep anyway', () => {
    const recent = new RecentCalls({ ...MUCH, maxBytes: 100 });
    const [a, b] = [handle(recent, 'a', 10), handle(recent, 'b', 10)];
    handle(recent, 'huge', 101);
    expect([known(recent, 'a', 'b', 'huge'), recent.size]).toEqual([[a, b, undefined], 2]);
  });

  it('forgets an answer by its age, counted from the answer', () => {
    const recent = new RecentCalls({ ...MUCH, maxAgeMs: 1_000 });
    const run = recent.begin(callNamed('a'));
    pass(5_000);
    const answer = answerOf(1);
    recent.answer(run, answer);
    recent.end(run, undefined);
    pass(1_000);
    expect(known(recent, 'a')).toEqual([answer]);
    pass(1);
    expect(known(recent, 'a')).toEqual([undefined]);
    handle(recent, 'b');
    expect(recent.size).toBe(1);
  });

  it('does not count a call twice that was forgotten by its age and handled again', () => {
    const recent = new RecentCalls({ maxCalls: 2, maxAgeMs: 1_000, maxBytes: 100 });
    handle(recent, 'a', 60);
    pass(1_001);
    const [a, b] = [handle(recent, 'a', 60), handle(recent, 'b', 40)];
    expect([known(recent, 'a', 'b'), recent.size]).toEqual([[a, b], 2]);
  });
});

describe('RecentCalls, of memory', () => {
  it('take no more for the thousandth answer than for those that they remember, and none at rest', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    onTestFinished(() => allocate.mockRestore());
    // Its pages have room for eight answers.
    const recent = new RecentCalls({ ...MUCH, maxCalls: 20, maxBytes: 64_000 });
    for (let n = 0; n < 1_000; n += 1) handle(recent, `call ${n}`, 1_000);
    expect(allocate.mock.calls.length).toBeLessThanOrEqual(5);
    pass(2 * MUCH.maxAgeMs);
    allocate.mockClear();
    handle(recent, 'another', 1_000);
    expect(allocate).toHaveBeenCalledTimes(1);
  });
});

describe('RecentCalls, at rest', () => {
  it('hold no answers that are too old, also when no further call is answered', () => {
    const recent = new RecentCalls({ ...MUCH, maxAgeMs: 1_000 });
    handle(recent, 'a');
    pass(500);
    const b = handle(recent, 'b');
    pass(1_000);
    expect(known(recent, 'a', 'b')).toEqual([undefined, b]);
    pass(1_500);
    expect([recent.size, vi.getTimerCount()]).toEqual([0, 0]);
    // And begin again with the next one.
    handle(recent, 'c');
    pass(2_000);
    expect([recent.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('look after the old ones every hour at least, however old they may become', () => {
    const recent = new RecentCalls({ ...MUCH, maxAgeMs: Number.MAX_SAFE_INTEGER });
    const a = handle(recent, 'a');
    pass(3_600_000 - 1);
    expect(known(recent, 'a')).toEqual([a]);
    pass(1);
    // A longer timer than Node's 32 bits can hold would fire again and again.
    expect([known(recent, 'a'), vi.getTimerCount()]).toEqual([[a], 1]);
  });

  it('forget what was answered when they are cleared, and leave no timer; what runs goes on', async () => {
    const recent = new RecentCalls({ ...MUCH, maxBytes: 100 });
    const run = recent.begin(callNamed('r'));
    handle(recent, 'a', 100);
    recent.clear();
    expect([known(recent, 'r', 'a'), recent.size, vi.getTimerCount()]).toEqual([
      ['running', undefined],
      1,
      0,
    ]);
    recent.end(run, undefined);
    expect(await run.answered).toBeUndefined();
    // The bytes count from the beginning.
    const b = handle(recent, 'b', 100);
    expect(known(recent, 'b')).toEqual([b]);
  });
});

type Step =
  | { readonly kind: 'begin' | 'end' | 'end again'; readonly id: string }
  | { readonly kind: 'answer'; readonly id: string; readonly bytes: number }
  | { readonly kind: 'pass'; readonly ms: number };

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const id = fc.constantFrom(...IDS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('begin', 'end', 'end again'), id }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer'), id, bytes: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.nat(60) }) },
);
const limits: fc.Arbitrary<RecentCallsLimits> = fc.record({
  maxCalls: fc.integer({ min: 1, max: 4 }),
  maxAgeMs: fc.integer({ min: 1, max: 100 }),
  maxBytes: fc.integer({ min: 1, max: 120 }),
});

/**
 * What must be known, by a diary of all answers that ever were: an answer is known while it is young enough, and while
 * it and all later ones are within the limits together. One that is beyond them for itself never was.
 */
class Diary {
  readonly running = new Set<string>();
  readonly #answers: { readonly id: string; readonly answer: CallAnswer; readonly atMs: number }[] = [];

  constructor(readonly bounds: RecentCallsLimits) {}

  answered(callId: string, answer: CallAnswer): void {
    if (answer.content.length > this.bounds.maxBytes) return;
    this.#answers.push({ id: callId, answer, atMs: performance.now() });
  }

  known(callId: string): unknown {
    if (this.running.has(callId)) return 'running';
    const index = this.#answers.findLastIndex((entry) => entry.id === callId);
    const since = index < 0 ? [] : this.#answers.slice(index);
    const bytes = since.reduce((sum, { answer: { content } }) => sum + content.length, 0);
    const [entry] = since;
    const { maxCalls, maxAgeMs, maxBytes } = this.bounds;
    const isKnown =
      entry !== undefined &&
      performance.now() - entry.atMs <= maxAgeMs &&
      since.length <= maxCalls &&
      bytes <= maxBytes;
    return isKnown ? entry.answer : undefined;
  }
}

describe('RecentCalls, whatever happens', () => {
  it('know what a diary within the limits would tell', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (bounds, steps) => {
        const recent = new RecentCalls(bounds);
        const diary = new Diary(bounds);
        const runs = new Map<string, RunningCall>();
        const past: RunningCall[] = [];
        const answered = new Set<string>();
        for (const each of steps) {
          if (each.kind === 'pass') pass(each.ms);
          else if (each.kind === 'begin') {
            // As every call begins: only where nothing is known of it.
            if (recent.find(each.id) !== undefined) continue;
            runs.set(each.id, recent.begin(callNamed(each.id)));
            diary.running.add(each.id);
          } else if (each.kind === 'end again') {
            for (const run of past.filter(({ callId }) => callId === each.id)) recent.end(run, undefined);
          } else if (each.kind === 'end') {
            const run = runs.get(each.id);
            if (run === undefined) continue;
            recent.end(run, undefined);
            past.push(run);
            runs.delete(each.id);
            diary.running.delete(each.id);
            answered.delete(each.id);
          } else if (each.kind === 'answer') {
            const run = runs.get(each.id);
            if (run === undefined || answered.has(each.id)) continue;
            const answer = answerOf(each.bytes);
            recent.answer(run, answer);
            diary.answered(each.id, answer);
            answered.add(each.id);
          }
          expect(known(recent, ...IDS)).toEqual(IDS.map((callId) => diary.known(callId)));
          expect(recent.size).toBeLessThanOrEqual(diary.running.size + bounds.maxCalls);
        }
        for (const run of runs.values()) recent.end(run, undefined);
        pass(bounds.maxAgeMs + 1);
        handle(recent, 'last', 0);
        expect(recent.size).toBe(1);
        recent.clear();
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
