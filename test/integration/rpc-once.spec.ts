import { NotFoundException } from '@nestjs/common';
import {
  DEFAULT_EXCHANGE,
  MessageResult,
  MessageResultError,
  type MessageProperties,
  type RecentCallsOptions,
} from 'nestjs-postage';
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
import { useRpcWorld } from './rpc-world.js';
import { exception, failure, sorted, success, type Result } from './world.js';

class OutOfPaper extends Error {}

describe.each(TEST_BROKERS)('a call on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  type Counted = Served & { readonly runs: Inbox<unknown>; readonly gate: Gate };
  type Remembering = RecentCallsOptions | false;

  /** An application whose handler takes as long as the test wants; its answer tells which run it comes from. */
  const slow = async (recentCalls?: Remembering): Promise<Counted> => {
    const [runs, gate] = [new Inbox<unknown>(), new Gate()];
    const work: Doing = async (parameters) => {
      runs.push(parameters);
      const number = runs.items.length;
      await gate.passed();
      return `run ${number}`;
    };
    return { ...(await serve(world, work, { recentCalls })), runs, gate };
  };

  /** One whose handler does not take long. */
  const counting = async (recentCalls?: Remembering): Promise<Counted> => {
    const served = await slow(recentCalls);
    served.gate.open();
    return served;
  };

  describe('that is repeated while it runs', () => {
    it('joins the run: the caller gets the one answer', async () => {
      const { queue, runs, gate, events } = await slow();
      const calls = (await world.connectedCaller()).to(queue, { timeoutMs: 300, maxRetry: 30 });
      const result = calls.rpc<string>('go', 'x');

      await events.of('call.repeated').take(2);
      gate.open();

      expect((await result).unwrap()).toBe('run 1');
      expect(runs.items).toEqual(['x']);
      expect(events.of('call.repeated').items[0]).toMatchObject({
        state: 'running',
        handler: 'Server.go',
        message: { category: 'rpc', type: 'command', name: 'go' },
        at: { queue, redelivered: false },
      });
    });

    it('sends nothing more to the address that gets the first answer', async () => {
      const { queue, runs, gate, events, atRest } = await slow();
      const asker = await Asker.of(world);
      for (const number of [1, 2, 3]) asker.ask(queue, attempt('call-1', number));
      await events.of('call.repeated').take(2);
      gate.open();
      await asker.first();
      await atRest();

      const replies = await asker.repliesUntilMark(queue);

      expect(replies.map(resultIn)).toEqual([success('run 1')]);
      expect(runs.items).toHaveLength(1);
      expect(events.of('call.repeated').items.map(({ state }) => state)).toEqual(['running', 'running']);
    });

    it('answers other addresses and other correlation ids too, each with its own id', async () => {
      const { queue, runs, gate, events, atRest } = await slow();
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      await runs.take(1);
      two.ask(queue, { ...attempt('call-1', 2), correlationId: 'of the second' });
      one.ask(queue, { ...attempt('call-1', 3), correlationId: 'of the third' });
      two.ask(queue, { ...attempt('call-1', 4), correlationId: undefined });
      await events.of('call.repeated').take(3);
      gate.open();
      await Promise.all([one.replies.take(2), two.replies.take(2)]);
      await atRest();

      const [toOne, toTwo] = [await one.repliesUntilMark(queue), await two.repliesUntilMark(queue)];

      const ids = [...toOne, ...toTwo].map(({ properties }) => properties.correlationId);
      expect(ids.slice(0, 2)).toEqual(['call-1', 'of the third']);
      expect(new Set(ids.slice(2))).toEqual(new Set(['of the second', undefined]));
      const bytes = [...toOne, ...toTwo].map(({ content }) => content.toString());
      expect(bytes).toHaveLength(4);
      expect(new Set(bytes).size).toBe(1);
      expect(resultIn(only(toOne))).toEqual(success('run 1'));
      expect(runs.items).toHaveLength(1);
    });

    it('still gets the answer where the first caller has gone', async () => {
      const { queue, runs, gate, events } = await slow();
      const [gone, asker] = [await Asker.of(world), await Asker.of(world)];
      gone.ask(queue, attempt('call-1'));
      await runs.take(1);
      await gone.peer.close();
      asker.ask(queue, attempt('call-1', 2));
      await events.of('call.repeated').take(1);
      gate.open();

      expect(resultIn(await asker.first())).toEqual(success('run 1'));
      expect(runs.items).toHaveLength(1);
    });
  });

  describe('that is repeated after its answer', () => {
    it('gets the first answer again, under its own correlation id, wherever it wants it', async () => {
      const { queue, runs, events, atRest } = await counting();
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      const first = await one.first();
      await atRest();
      two.ask(queue, { ...attempt('call-1', 2), correlationId: 'another' });
      const second = await two.first();

      expect(second.content.equals(first.content)).toBe(true);
      expect(resultIn(second)).toEqual(success('run 1'));
      expect(second.properties).toMatchObject({
        correlationId: 'another',
        contentType: first.properties.contentType,
      });
      expect(runs.items).toHaveLength(1);
      expect(events.of('call.repeated').items.map(({ state }) => state)).toEqual(['answered']);
    });

    it.each<[string, () => unknown, Result]>([
      [
        'a result with a remark',
        () => new MessageResult(5, 'a remark'),
        { ...success(5), message: 'a remark' },
      ],
      ['nothing', () => undefined, success(null)],
      ['an error result', () => new MessageResultError('sold out'), failure('sold out')],
      ['an expected refusal', () => new NotFoundException('no such page'), failure('no such page')],
      ['an exception', () => new OutOfPaper('tray 2'), exception('OutOfPaper', 'tray 2')],
      [
        'what can not be written',
        () => 7n,
        expect.objectContaining({ type: 'exception', value: 'EncodingError' }) as Result,
      ],
    ])('gets %s again, as it was', async (_what, make, expected) => {
      let runs = 0;
      const work = (): unknown => {
        runs += 1;
        const made = make();
        if (made instanceof Error) throw made;
        return made;
      };
      const { queue, atRest } = await serve(world, work);
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      const first = await one.first();
      await atRest();
      two.ask(queue, attempt('call-1', 2));
      const second = await two.first();

      expect(resultIn(first)).toEqual(expected);
      expect(second.content.toString()).toBe(first.content.toString());
      expect(second.properties.headers).toEqual(first.properties.headers);
      expect(runs).toBe(1);
    });

    it('gets what the reply function was given, also while the handler works on', async () => {
      const gate = new Gate();
      let runs = 0;
      const { queue, events, atRest } = await serve(world, async (_parameters, { reply }) => {
        runs += 1;
        reply('accepted');
        await gate.passed();
      });
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      one.ask(queue, attempt('call-1'));
      await one.first();
      two.ask(queue, attempt('call-1', 2));

      expect(resultIn(await two.first())).toEqual(success('accepted'));
      gate.open();
      await atRest();
      expect([runs, events.of('call.repeated').items.length]).toEqual([1, 1]);
    });
  });

  describe('is a call of its own', () => {
    it('under another message id, whatever it asks for', async () => {
      const { queue, runs } = await counting();
      const asker = await Asker.of(world);
      for (const id of ['call-1', 'call-2']) asker.ask(queue, attempt(id), 'the same');
      expect((await asker.replies.take(2)).map(resultIn)).toEqual([success('run 1'), success('run 2')]);
      const calls = (await world.connectedCaller()).to(queue);
      expect((await calls.rpc('go', 'the same')).unwrap()).toBe('run 3');
      expect((await calls.rpc('go', 'the same')).unwrap()).toBe('run 4');
      expect(runs.items).toHaveLength(4);
    });

    it.each<[string, MessageProperties]>([
      ['without a message id', { headers: { 'postage-attempt': 1 } }],
      ['with an empty message id', { messageId: '', headers: { 'postage-attempt': 1 } }],
      ['with an id that may be used again', { messageId: '1' }],
      ['with an id and other headers', { messageId: '1', headers: { attempt: 2 } }],
      ['whose attempt is a text', { messageId: '1', headers: { 'postage-attempt': '2' } }],
    ])('%s: each request runs', async (_what, properties) => {
      const { queue, consumer, events } = await counting();
      const asker = await Asker.of(world);
      for (let count = 0; count < 3; count += 1) asker.ask(queue, properties);
      const results = (await asker.replies.take(3)).map(resultIn);
      expect(results).toEqual([success('run 1'), success('run 2'), success('run 3')]);
      expect([consumer.recentCalls, events.of('call.repeated').items.length]).toEqual([0, 0]);
    });

    it('in each queue that it comes through', async () => {
      const served = await counting();
      const other = uniqueName('other');
      await served.consumer.queueBind(DEFAULT_EXCHANGE, other, other, { durable: false, autoDelete: true });
      const [one, two] = [await Asker.of(world), await Asker.of(world)];
      for (const queue of [served.queue, other]) {
        one.ask(queue, attempt('call-1'));
        two.ask(queue, attempt('call-1', 2));
      }
      for (const { replies } of [one, two]) {
        const results = (await replies.take(2)).map(resultIn);
        expect(sorted(results)).toEqual([success('run 1'), success('run 2')]);
      }
      expect(served.runs.items).toHaveLength(2);
    });

    it('each time, where nothing is to be remembered', async () => {
      const { queue, runs, gate, consumer } = await slow(false);
      const asker = await Asker.of(world);
      for (const number of [1, 2]) asker.ask(queue, attempt('call-1', number));
      await runs.take(2);
      gate.open();
      await asker.replies.take(2);
      asker.ask(queue, attempt('call-1', 3));
      const results = (await asker.replies.take(3)).map(resultIn);
      expect(sorted(results)).toEqual([success('run 1'), success('run 2'), success('run 3')]);
      expect(consumer.recentCalls).toBe(0);
    });
  });

  describe('runs again when it is forgotten', () => {
    /** The answers to calls with these ids, one after the other. */
    const answersTo = async ({ queue, atRest }: Served, ids: readonly string[]): Promise<unknown[]> => {
      const asker = await Asker.of(world);
      for (const [index, id] of ids.entries()) {
        asker.ask(queue, attempt(id, index + 1));
        await asker.replies.take(index + 1);
        await atRest();
      }
      return asker.replies.items.map((reply) => resultIn(reply).value);
    };

    it('because of newer ones beyond maxCalls', async () => {
      const served = await counting({ maxCalls: 1 });
      const answers = await answersTo(served, ['a', 'a', 'b', 'b', 'a']);
      expect(answers).toEqual(['run 1', 'run 1', 'run 2', 'run 2', 'run 3']);
      expect(served.consumer.recentCalls).toBe(1);
    });

    it('because its answer is larger than maxBytes, or does not fit beside newer ones', async () => {
      const served = await counting({ maxBytes: 10 });
      expect(await answersTo(served, ['a', 'a'])).toEqual(['run 1', 'run 2']);
      expect(served.consumer.recentCalls).toBe(0);
      const sized = await Asker.of(world);
      sized.ask(served.queue, attempt('size'));
      const { length } = (await sized.first()).content;
      const roomy = await counting({ maxBytes: length * 2 + 1 });
      const answers = await answersTo(roomy, ['a', 'b', 'a', 'b', 'c', 'b', 'a']);
      expect(answers).toEqual(['run 1', 'run 2', 'run 1', 'run 2', 'run 3', 'run 2', 'run 4']);
    });

    it('because it is older than maxAgeMs', async () => {
      const { queue, atRest } = await counting({ maxAgeMs: 50 });
      const asker = await Asker.of(world);
      let asked = 0;
      await eventually(async () => {
        asked += 1;
        asker.ask(queue, attempt('call-1', asked));
        const replies = await asker.replies.take(asked);
        await atRest();
        expect(replies.map((reply) => resultIn(reply).value)).toContain('run 2');
      });
    });

    it('while its handler works on after that answer, and still each request is answered', async () => {
      const gates = [new Gate(), new Gate(), new Gate()] as const;
      const runs = new Inbox<number>();
      const work: Doing = async (_parameters, { reply }) => {
        const number = runs.items.length;
        runs.push(number);
        if (number === 0) reply('early');
        await gates[number]?.passed();
        return number === 0 ? undefined : 'late';
      };
      const { queue, events, atRest } = await serve(world, work, { recentCalls: { maxBytes: 1 } });
      const askers = [await Asker.of(world), await Asker.of(world), await Asker.of(world)];
      const met = (): number => runs.items.length + events.of('call.repeated').items.length;
      for (const [index, asker] of askers.entries()) {
        asker.ask(queue, attempt('call-1', index + 1));
        await eventually(() => expect(met()).toBe(index + 1));
        if (index === 0) await asker.first();
      }
      for (const gate of gates) gate.open();
      await atRest();
      const answers = await Promise.all(askers.map((asker) => asker.repliesUntilMark(queue)));
      expect(answers.map(({ length }) => length)).toEqual([1, 1, 1]);
    });

    it('but not as long as it runs', async () => {
      const { queue, runs, gate, events, atRest } = await slow({ maxCalls: 1, maxAgeMs: 1, maxBytes: 1 });
      const asker = await Asker.of(world);
      for (const id of ['a', 'b', 'c']) asker.ask(queue, attempt(id));
      await runs.take(3);
      for (const id of ['a', 'b', 'c']) asker.ask(queue, attempt(id, 2));
      await events.of('call.repeated').take(3);
      gate.open();
      await asker.replies.take(3);
      await atRest();
      expect(await asker.repliesUntilMark(queue)).toHaveLength(3);
      expect(runs.items).toHaveLength(3);
    });
  });

  describe('that is delivered again', () => {
    const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };

    it('because the connection was cut while it ran joins the run: one run, one answer', async () => {
      const [runs, gate] = [new Inbox<unknown>(), new Gate()];
      const work = async (parameters: unknown): Promise<string> => {
        runs.push(parameters);
        await gate.passed();
        return 'done';
      };
      const served = await serve(world, work, { reconnect });
      const queue = await lastingQueue(served);
      const asker = await Asker.of(world);
      asker.ask(queue, attempt('call-1'));
      await runs.take(1);

      world.broker.cut();

      expect(await served.events.of('call.repeated').take(1)).toMatchObject([
        { state: 'running', at: { queue, redelivered: true } },
      ]);
      gate.open();
      await asker.first();
      await served.atRest();
      const replies = await asker.repliesUntilMark(queue);
      expect(replies.map(resultIn)).toEqual([success('done')]);
      expect(runs.items).toHaveLength(1);
      await served.app.close();
      expect(await asker.peer.waitingIn(queue)).toBe(0);
    });

    it('after its answer, but before it was acked, gets that answer again', async () => {
      const gate = new Gate();
      let runs = 0;
      const answerFirst: Doing = async (_parameters, { reply }) => {
        runs += 1;
        reply('early');
        await gate.passed();
      };
      const served = await serve(world, answerFirst, { reconnect });
      const queue = await lastingQueue(served);
      const asker = await Asker.of(world);
      asker.ask(queue, attempt('call-1'));
      await asker.first();
      world.broker.cut();
      const [repeated] = await served.events.of('call.repeated').take(1);
      expect(repeated).toMatchObject({ state: 'answered', at: { redelivered: true } });
      expect((await asker.replies.take(2)).map(resultIn)).toEqual([success('early'), success('early')]);
      gate.open();
      await served.atRest();
      expect(runs).toBe(1);
    });
  });
});
