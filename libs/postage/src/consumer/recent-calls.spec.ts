import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallAnswer } from './call-store.js';
import { RecentCalls, type RecentCallsLimits, type RunningCall } from './recent-calls.js';

const MUCH: RecentCallsLimits = { maxCalls: 1_000, maxAgeMs: 1_000, maxBytes: 1_000_000 };

const callNamed = (callId: string): Omit<RunningCall, 'answered'> => ({
  callId,
  replyTo: `${callId} replies`,
  correlationId: callId,
});
const answerOf = (bytes: number): CallAnswer => ({ content: Buffer.alloc(bytes), contentType: 'x' });

/** Handles a call from its beginning to its end. */
const handle = (recent: RecentCalls, callId: string, bytes = 1): CallAnswer => {
  const answer = answerOf(bytes);
  recent.begin(callNamed(callId));
  recent.answer(callId, answer);
  recent.end(callId, { answer, isDelivered: true });
  return answer;
};

/** What is known of each call: nothing, that it runs, or its answer. */
const known = (recent: RecentCalls, ...callIds: readonly string[]): unknown[] =>
  callIds.map((callId) => {
    const call = recent.find(callId);
    return call?.kind === 'answered' ? call.answer : call?.kind;
  });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('RecentCalls', () => {
  it('knows a call while it runs: where its answer goes, and when there is one', async () => {
    const recent = new RecentCalls(MUCH);
    expect(recent.find('a')).toBeUndefined();
    recent.begin(callNamed('a'));
    const found = recent.find('a');
    if (found?.kind !== 'running') throw new Error('does not run');
    expect(found.call).toMatchObject(callNamed('a'));
    const sent = { answer: answerOf(1), isDelivered: false };
    recent.end('a', sent);
    expect(await found.call.answered).toBe(sent);
    expect([recent.find('a'), recent.size]).toEqual([undefined, 0]);
  });

  it('tells whoever waits for a run that has come to nothing', async () => {
    const recent = new RecentCalls(MUCH);
    recent.begin(callNamed('a'));
    const found = recent.find('a');
    recent.end('a', undefined);
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
    recent.begin(callNamed('a'));
    recent.answer('a', answer);
    expect(known(recent, 'a')).toEqual(['running']);
    recent.end('a', undefined);
    expect(known(recent, 'a')).toEqual([answer]);
  });

  it('minds nothing that is told of a call that does not run', () => {
    const recent = new RecentCalls(MUCH);
    recent.end('a', { answer: answerOf(1), isDelivered: true });
    recent.answer('a', answerOf(1));
    const answer = handle(recent, 'b');
    recent.end('b', undefined);
    recent.answer('b', answerOf(2));
    expect([known(recent, 'a', 'b'), recent.size]).toEqual([[undefined, answer], 1]);
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
    recent.begin(callNamed('slow'));
    handle(recent, 'quick');
    const answer = answerOf(1);
    recent.answer('slow', answer);
    recent.end('slow', undefined);
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

  it('forgets an answer by its age, counted from the answer', () => {
    const recent = new RecentCalls({ ...MUCH, maxAgeMs: 1_000 });
    recent.begin(callNamed('a'));
    pass(5_000);
    const answer = answerOf(1);
    recent.answer('a', answer);
    recent.end('a', undefined);
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

type Step =
  | { readonly kind: 'begin' | 'end'; readonly id: string }
  | { readonly kind: 'answer'; readonly id: string; readonly bytes: number }
  | { readonly kind: 'pass'; readonly ms: number };

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const id = fc.constantFrom(...IDS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('begin', 'end'), id }) },
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
 * it and all later ones are within the limits together.
 */
class Diary {
  readonly running = new Set<string>();
  readonly #answers: { readonly id: string; readonly answer: CallAnswer; readonly atMs: number }[] = [];

  constructor(readonly bounds: RecentCallsLimits) {}

  answered(callId: string, answer: CallAnswer): void {
    if (this.running.has(callId)) this.#answers.push({ id: callId, answer, atMs: performance.now() });
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
        const answered = new Set<string>();
        for (const each of steps) {
          if (each.kind === 'pass') pass(each.ms);
          else if (each.kind === 'begin') {
            // As every call begins: only where nothing is known of it.
            if (recent.find(each.id) !== undefined) continue;
            recent.begin(callNamed(each.id));
            diary.running.add(each.id);
          } else if (each.kind === 'end') {
            recent.end(each.id, undefined);
            diary.running.delete(each.id);
            answered.delete(each.id);
          } else if (each.kind === 'answer' && !answered.has(each.id)) {
            const answer = answerOf(each.bytes);
            recent.answer(each.id, answer);
            diary.answered(each.id, answer);
            if (diary.running.has(each.id)) answered.add(each.id);
          }
          expect(known(recent, ...IDS)).toEqual(IDS.map((callId) => diary.known(callId)));
          expect(recent.size).toBeLessThanOrEqual(diary.running.size + bounds.maxCalls);
        }
        for (const callId of IDS) recent.end(callId, undefined);
        pass(bounds.maxAgeMs + 1);
        handle(recent, 'last', 0);
        expect(recent.size).toBe(1);
      }),
      { numRuns: 300 },
    );
  });
});
