import { setTimeout } from 'node:timers/promises';
import { PostageConnection, type CallClaim, type CallStore, type RecentCallsOptions } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import {
  Asker,
  attempt,
  Gate,
  lastingQueue,
  only,
  resultIn,
  serve,
  type Doing,
  type Served,
} from './rpc-once-asker.js';
import { SharedCalls } from './rpc-once-store.js';
import { resultBytes, useRpcWorld } from './rpc-world.js';
import { exception, success } from './world.js';

const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };
const claimed: CallClaim = { kind: 'claimed' };

class OutOfPaper extends Error {}

describe.each(TEST_BROKERS)('a store of recent calls on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** One of several applications with one queue; while it works on a call it is given no other. */
  interface Member extends Served {
    readonly runs: Inbox<unknown>;
    readonly gate: Gate;
  }

  const member = async (name: string, queue: string, store: CallStore): Promise<Member> => {
    const [runs, gate] = [new Inbox<unknown>(), new Gate()];
    const work = async (parameters: unknown): Promise<string> => {
      runs.push(parameters);
      await gate.passed();
      if (parameters === 'throw') throw new OutOfPaper('tray 2');
      return `of ${name}`;
    };
    const served = await serve(world, work, { queue, prefetch: 1, recentCalls: { store }, reconnect });
    return { ...served, runs, gate };
  };

  /** Two applications with one queue, and the store that they share. */
  const pair = async (store = new SharedCalls()) => {
    const queue = uniqueName('shared');
    const members = [await member('one', queue, store), await member('two', queue, store)] as const;
    /** Which of them works on the first call, and which does not. */
    const sides = async (): Promise<{ readonly busy: Member; readonly idle: Member }> => {
      await eventually(() => expect(members.some(({ runs }) => runs.items.length > 0)).toBe(true));
      const [one, two] = members;
      return one.runs.items.length > 0 ? { busy: one, idle: two } : { busy: two, idle: one };
    };
    return { queue, store, sides };
  };

  /** An application with this store, whose answer tells which run it comes from. */
  const counting = async (store: CallStore, limits: RecentCallsOptions = {}): Promise<Served> => {
    let runs = 0;
    const recentCalls = { ...limits, store };
    return serve(world, () => `run ${(runs += 1)}`, { recentCalls, drainTimeoutMs: 100 });
  };

  describe('shared by two applications', () => {
    it('keeps a retry from running in the other one: the caller gets the one answer', async () => {
      const { queue, sides, store } = await pair();
      const calls = (await world.connectedCaller()).to(queue, { timeoutMs: 300, maxRetry: 30 });
      const result = calls.rpc('go', 'x');
      const { busy, idle } = await sides();

      const repeated = await idle.events.of('call.repeated').take(2);
      busy.gate.open();

      expect((await result).unwrap()).toMatch(/^of (one|two)$/);
      expect(repeated).toMatchObject([{ state: 'elsewhere', handler: 'Server.go' }, { state: 'elsewhere' }]);
      expect([busy.runs.items, idle.runs.items]).toEqual([['x'], []]);
      expect(store.claims.items.map(({ kind }) => kind).slice(0, 3)).toEqual([
        'claimed',
        'running',
        'running',
      ]);
    });

    it('lets one answer reach the address of both attempts, and nothing more', async () => {
      const { queue, sides } = await pair();
      const asker = await Asker.of(world);
      for (const number of [1, 2]) asker.ask(queue, attempt('call-1', number));
      const { busy, idle } = await sides();
      await idle.events.of('call.repeated').take(1);
      await idle.atRest();
      expect(asker.replies.items).toEqual([]);
      busy.gate.open();
      await asker.first();
      await busy.atRest();
      await idle.atRest();
      expect(await asker.repliesUntilMark(queue)).toHaveLength(1);
      expect(idle.consumer.recentCalls).toBe(0);
    });

    it.each([
      ['a value', 'x'],
      ['an exception', 'throw'],
    ])(
      'gives %s to the other one, which answers with it when the first has gone',
      async (_what, parameters) => {
        const { queue, sides, store } = await pair();
        const [one, two] = [await Asker.of(world), await Asker.of(world)];
        one.ask(queue, attempt('call-1'), parameters);
        const { busy, idle } = await sides();
        busy.gate.open();
        const first = await one.first();
        await store.kept.take(1);
        await busy.app.close();

        two.ask(queue, { ...attempt('call-1', 2), correlationId: 'another' }, parameters);
        const second = await two.first();

        expect(second.content.equals(first.content)).toBe(true);
        expect(second.properties).toMatchObject({
          correlationId: 'another',
          contentType: 'application/json',
        });
        if (parameters === 'throw') expect(resultIn(second)).toEqual(exception('OutOfPaper', 'tray 2'));
        expect(idle.runs.items).toEqual([]);
        expect(idle.events.of('call.repeated').items).toMatchObject([{ state: 'answered' }]);
        // From now on it knows the answer itself.
        store.forget();
        two.ask(queue, attempt('call-1', 3), parameters);
        expect((await two.replies.take(2))[1]?.content.equals(first.content)).toBe(true);
        expect([idle.runs.items, store.claims.items.length]).toEqual([[], 2]);
      },
    );

    it('answers once with what the other one said, though both attempts came while the store was asked', async () => {
      const gate = new Gate();
      const answer = { content: resultBytes('of the other'), contentType: 'application/json' };
      const claim = async (): Promise<CallClaim> => {
        await gate.passed();
        return { kind: 'answered', answer };
      };
      const { queue, events, atRest } = await counting({ claim, answered: () => undefined });
      const asker = await Asker.of(world);
      for (const number of [1, 2]) asker.ask(queue, attempt('call-1', number));
      await events.of('call.repeated').take(1);
      gate.open();
      await asker.first();
      await atRest();
      expect((await asker.repliesUntilMark(queue)).map(resultIn)).toEqual([success('of the other')]);
    });

    it('lets a call run again that both have forgotten', async () => {
      const { queue, sides, store } = await pair();
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      const { busy, idle } = await sides();
      busy.gate.open();
      idle.gate.open();
      await one.first();
      await store.kept.take(1);
      await busy.app.close();
      store.forget();
      two.ask(queue, attempt('call-1', 2));
      await two.first();
      expect([busy.runs.items.length, idle.runs.items.length]).toEqual([1, 1]);
    });

    it('does not keep a request from running again whose application was lost', async () => {
      const recentCalls = { store: new SharedCalls() };
      const { claims } = recentCalls.store;
      const lost = await serve(world, () => new Promise(() => undefined), { recentCalls, drainTimeoutMs: 1 });
      const queue = await lastingQueue(lost);
      const asker = await Asker.of(world);
      asker.ask(queue, attempt('call-1', 1, { 'postage-remaining-ms': 600_000 }));
      await claims.take(1);
      const next = await serve(world, () => 'again', { recentCalls });
      await lastingQueue(next, queue);

      await lost.app.close();

      expect(resultIn(await asker.first())).toEqual(success('again'));
      expect(claims.items.map(({ kind }) => kind)).toEqual(['claimed', 'running']);
      expect(next.events.of('call.repeated').items).toEqual([]);
    });
  });

  it('does not keep a repeated call from running whose first run has given up here', async () => {
    const [store, runs] = [new SharedCalls(), new Inbox<number>()];
    const giveUpFirst: Doing = async (_parameters, { signal }) => {
      const number = runs.items.length + 1;
      runs.push(number);
      if (number === 1) await setTimeout(60_000, undefined, { signal });
      return `run ${number}`;
    };
    const { queue, app, events } = await serve(world, giveUpFirst, { recentCalls: { store }, reconnect });
    // Once somebody has had an answer, there is a connection for answers to be lost.
    await (await Asker.of(world)).repliesUntilMark(queue);
    const calls = (await world.connectedCaller()).to(queue, { timeoutMs: 500, maxRetry: 40 });
    const result = calls.rpc('go');
    // From now on the first request expires when it is put back.
    await events.of('call.repeated').take(1);

    await app.get(PostageConnection).publishing.link?.close();

    expect(await result).toMatchObject({ ok: true, value: 'run 2' });
    expect(events.of('handler.aborted').items).toHaveLength(1);
    expect(events.of('call.repeated').items.map(({ state }) => state)).not.toContain('elsewhere');
    expect(runs.items).toEqual([1, 2]);
  });

  describe('is asked', () => {
    it('to lease a call for as long as its caller still waits', async () => {
      const store = new SharedCalls();
      const { queue } = await counting(store, { maxAgeMs: 1_234_567 });
      const asker = await Asker.of(world);
      await (await world.connectedCaller()).to(queue, { timeoutMs: 20_000, maxRetry: 2 }).rpc('go');
      asker.ask(queue, attempt('call-2', 2, { 'postage-remaining-ms': 90_000 }));
      asker.ask(queue, attempt('call-3'));
      asker.ask(queue, attempt('call-4', 1, { 'postage-remaining-ms': -5 }));

      const [ours, theirs, ...silent] = await store.claims.take(4);

      expect(ours?.leaseMs).toBeLessThanOrEqual(60_000);
      expect(ours?.leaseMs).toBeGreaterThan(50_000);
      expect(theirs).toMatchObject({ callId: expect.stringContaining('call-2') as string });
      expect(theirs?.callId).toContain(queue);
      expect(theirs?.leaseMs).toBeLessThanOrEqual(90_000);
      expect(theirs?.leaseMs).toBeGreaterThan(80_000);
      expect(silent.map(({ leaseMs }) => leaseMs)).toEqual([1_234_567, 1_234_567]);
      expect(store.claims.items.every(({ leaseMs }) => Number.isSafeInteger(leaseMs))).toBe(true);
      expect((await store.kept.take(4)).map(({ keepMs }) => keepMs)).toEqual(Array(4).fill(1_234_567));
    });

    it('nothing about requests that can not be told apart, nor about what this process knows', async () => {
      const store = new SharedCalls();
      const { queue, atRest } = await counting(store);
      const asker = await Asker.of(world);
      asker.ask(queue, { messageId: '1' });
      asker.ask(queue);
      await asker.replies.take(2);
      expect(store.claims.items).toEqual([]);
      for (const number of [1, 2, 3]) {
        asker.ask(queue, attempt('call-1', number));
        await asker.replies.take(2 + number);
        await atRest();
      }
      expect([store.claims.items.length, store.kept.items.length]).toEqual([1, 1]);
    });
  });

  describe('that fails', () => {
    const down = new Error('the store is down');
    const throwing = (): never => {
      throw down;
    };
    const rejecting = (): Promise<never> => Promise.reject(down);
    const reported = { where: 'the store of recent calls', error: down };

    it.each([
      ['throws at a claim', { claim: throwing, answered: () => undefined }],
      ['rejects a claim', { claim: rejecting, answered: () => undefined }],
      ['throws at an answer', { claim: () => claimed, answered: throwing }],
      ['rejects an answer', { claim: () => claimed, answered: rejecting }],
    ])('(%s) is reported, and the call is handled, and known again here', async (_what, store) => {
      const { queue, events, atRest } = await counting(store);
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      expect(resultIn(await one.first())).toEqual(success('run 1'));
      await atRest();
      expect(events.of('internal.failure').items).toMatchObject([reported]);
      two.ask(queue, attempt('call-1', 2));
      expect(resultIn(await two.first())).toEqual(success('run 1'));
      expect(events.of('internal.failure').items).toHaveLength(1);
    });

    it.each([
      ['agrees', () => claimed, 0],
      ['rejects', rejecting, 1],
    ])('to answer for a while, and then %s, delays that call alone', async (_what, end, failures) => {
      const gate = new Gate();
      const claim = async (callId: string): Promise<CallClaim> => {
        if (!callId.endsWith('slow')) return claimed;
        await gate.passed();
        return end();
      };
      const { queue, events } = await counting({ claim, answered: () => undefined });
      const [slow, fast] = [await Asker.of(world), await Asker.of(world)];
      slow.ask(queue, attempt('slow'));
      fast.ask(queue, attempt('fast'));
      expect(resultIn(await fast.first())).toEqual(success('run 1'));
      expect(slow.replies.items).toEqual([]);
      // Joins it, though nobody knows yet whose call it is.
      fast.ask(queue, attempt('slow', 2));
      await events.of('call.repeated').take(1);
      gate.open();
      expect(resultIn(await slow.first())).toEqual(success('run 2'));
      expect(resultIn((await fast.replies.take(2))[1] ?? only([]))).toEqual(success('run 2'));
      expect(events.of('internal.failure').items).toHaveLength(failures);
    });

    it('to keep an answer for a while does not hold it up', async () => {
      const gate = new Gate();
      const answered = (): Promise<void> => gate.passed();
      const { queue, consumer, atRest } = await counting({ claim: () => claimed, answered });
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      expect(resultIn(await one.first())).toEqual(success('run 1'));
      two.ask(queue, attempt('call-1', 2));
      expect(resultIn(await two.first())).toEqual(success('run 1'));
      expect(consumer.snapshot[0]?.inFlight).toBeGreaterThan(0);
      gate.open();
      await atRest();
    });

    it.each([
      ['an answer that is none', { kind: 'answered' }],
      ['an answer without its bytes', { kind: 'answered', answer: { contentType: 'application/json' } }],
      ['nothing', undefined],
    ])('by claiming %s does not cost the call', async (_what, claim) => {
      const { queue } = await counting({ claim: () => claim as CallClaim, answered: () => undefined });
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      for (const [index, asker] of [one, two].entries()) {
        asker.ask(queue, attempt('call-1', index + 1));
        expect((await asker.replies.take(1, 5_000)).map(resultIn)).toEqual([success('run 1')]);
      }
    });

    it('to settle a claim at all does not cost the call', async () => {
      const claim = (): Promise<never> => new Promise(() => undefined);
      const { queue } = await counting({ claim, answered: () => undefined });
      const calls = (await world.connectedCaller()).to(queue, { timeoutMs: 2_000, maxRetry: 4 });
      expect(await calls.rpc('go')).toMatchObject({ ok: true, value: 'run 1' });
    });
  });

  it.each<[string, unknown, string]>([
    ['no calls', { maxCalls: 0 }, 'recentCalls.maxCalls'],
    ['less than none', { maxCalls: -1 }, 'recentCalls.maxCalls'],
    ['half a call', { maxCalls: 1.5 }, 'recentCalls.maxCalls'],
    ['a text', { maxAgeMs: '5m' }, 'recentCalls.maxAgeMs'],
    ['no end', { maxBytes: Infinity }, 'recentCalls.maxBytes'],
    ['a misspelt name', { maxCall: 5 }, 'recentCalls.maxCall'],
    ['half a store', { store: { claim: () => claimed } }, 'recentCalls.store'],
    ['no store', { store: null }, 'recentCalls.store'],
  ])('is not started with %s: %j, which names the option', async (_what, recentCalls, option) => {
    const start = serve(world, () => 'x', { recentCalls: recentCalls as RecentCallsOptions });
    await expect(start).rejects.toMatchObject({ code: 'INVALID_OPTION', option });
  });
});
