import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type Peer, type PeerMessage } from '../support/test-brokers.js';
import { echoing, parametersOf, replyToOf, resultBytes, silent, useRpcWorld } from './rpc-world.js';

type Properties = typeof echoing;

/** Answers every request with its own parameters. */
const answering =
  (peer: Peer, propertiesOf: Properties) =>
  (request: PeerMessage): void =>
    peer.send(replyToOf(request), resultBytes(parametersOf(request)), propertiesOf(request));

/** Answers in an order that has nothing to do with that of the requests. */
const shuffling = (peer: Peer, propertiesOf: Properties) => {
  const held: PeerMessage[] = [];
  const answer = answering(peer, propertiesOf);
  let isScheduled = false;
  const release = (): void => {
    isScheduled = false;
    for (const request of held.splice(0).toSorted(() => Math.random() - 0.5)) answer(request);
  };
  return (request: PeerMessage): void => {
    held.push(request);
    if (!isScheduled) setImmediate(release);
    isScheduled = true;
  };
};

/** Calls with the numbers 0 to count, so many at a time; resolves with the answers that were another call's. */
const mismatches = async (
  count: number,
  concurrency: number,
  call: (n: number) => Promise<unknown>,
): Promise<unknown[]> => {
  const wrong: unknown[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const answer = await call(n);
      if (answer !== n) wrong.push([n, answer]);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return wrong;
};

/** So many replies with a correlation id make a target known to echo it, whose calls share a reply queue from then on. */
const PROOF = 100;

const isShared = (request: PeerMessage): boolean => !replyToOf(request).startsWith('amq.rabbitmq.reply-to');

/** Calls until the shared queue is there, which is made as soon as it would be of use, and which no call waits for. */
const reachShared = async (
  call: (n: number) => Promise<unknown>,
  requests: Inbox<PeerMessage>,
): Promise<void> => {
  for (let n = 0; !requests.items.some(isShared); n += 1) {
    if (n === 10 * PROOF) throw new Error('no call has used a shared reply queue');
    await call(n);
  }
};

describe.each(TEST_BROKERS)('repliers on $broker', ({ broker, open }) => {
  const world = useRpcWorld(open);

  const serve = async (
    queue: string,
    handler: (peer: Peer) => (request: PeerMessage) => void,
  ): Promise<Peer> => {
    const peer = await world.peer();
    await peer.serve(queue, handler(peer));
    return peer;
  };

  it('of both kinds answer 10,000 interleaved calls in any order, and each gets its own answer', async () => {
    const [both, echoes, mute] = [uniqueName('both'), uniqueName('echoing'), uniqueName('silent')];
    await serve(both, (peer) => shuffling(peer, echoing));
    await serve(both, (peer) => shuffling(peer, silent));
    await serve(echoes, (peer) => shuffling(peer, echoing));
    await serve(mute, (peer) => shuffling(peer, silent));
    const caller = await world.caller();
    const targets = [caller.to(both), caller.to(echoes), caller.to(mute)];

    const wrong = await mismatches(10_000, 100, async (n) => {
      const target = targets[n % targets.length];
      return (await target?.rpc('echo', n))?.unwrap();
    });

    expect(wrong).toEqual([]);
    expect(caller.snapshot()).toMatchObject({ pending: 0, lateReplies: 0 });
  }, 90_000);

  it('that send no properties at all answer 1,000 calls at once', async () => {
    const queue = uniqueName('script');
    await serve(queue, (peer) => answering(peer, silent));
    const calls = (await world.caller()).to(queue);
    const wrong = await mismatches(1_000, 1_000, async (n) => (await calls.rpc('echo', n)).unwrap());
    expect(wrong).toEqual([]);
  });

  it.runIf(broker === 'RabbitMQ')(
    'that send no properties are called more often at once than a connection has channels',
    async () => {
      const queue = uniqueName('script');
      const peer = await world.peer();
      const held: PeerMessage[] = [];
      let isEnough = false;
      const answer = answering(peer, silent);
      await peer.serve(queue, (request) => {
        // Nobody is answered before all channels that there can be are in use.
        held.push(request);
        isEnough ||= held.length >= 2_000;
        if (isEnough) for (const each of held.splice(0)) setImmediate(answer, each);
      });
      const calls = (await world.caller({ maxReplyQueues: 5_000 })).to(queue);
      const wrong = await mismatches(2_400, 2_400, async (n) => (await calls.rpc('echo', n)).unwrap());
      expect(wrong).toEqual([]);
    },
  );

  it.each([
    ['at once', (send: () => void) => send()],
    ['with the next request', undefined],
  ])(
    'without correlation ids that answer each request twice, %s, mislead no other call',
    async (_when, schedule) => {
      const queue = uniqueName('twice');
      let before: (() => void) | undefined;
      await serve(queue, (peer) => (request) => {
        const answer = (): void => answering(peer, silent)(request);
        before?.();
        before = schedule ? undefined : answer;
        answer();
        schedule?.(answer);
      });
      const calls = (await world.caller()).to(queue);
      for (let n = 0; n < 300; n += 1) expect((await calls.rpc('echo', n)).unwrap()).toBe(n);
      expect(await mismatches(1_000, 50, async (n) => (await calls.rpc('echo', n)).unwrap())).toEqual([]);
    },
  );

  it('that answer twice, first with the correlation id and then without, mislead no other call', async () => {
    const queue = uniqueName('twice');
    await serve(queue, (peer) => (request) => {
      answering(peer, echoing)(request);
      answering(peer, silent)(request);
    });
    const caller = await world.caller();
    const calls = caller.to(queue, { timeoutMs: 2_000 });
    const wrong = await mismatches(2_000, 20, async (n) => (await calls.rpc('echo', n)).unwrap());
    expect(wrong).toEqual([]);
  });

  it('that echo the id answer 1,000 calls at once through one queue', async () => {
    const queue = uniqueName('echoing');
    const requests = new Inbox<PeerMessage>();
    await serve(queue, (peer) => (request) => {
      requests.push(request);
      answering(peer, echoing)(request);
    });
    const caller = await world.caller();
    const call = async (n: number) => (await caller.to(queue).rpc('echo', n)).unwrap();
    await reachShared(call, requests);
    const before = requests.items.length;
    expect(await mismatches(1_000, 1_000, call)).toEqual([]);
    expect(new Set(requests.items.slice(before).map(replyToOf)).size).toBe(1);
    expect(caller.snapshot()).toMatchObject({ replyQueues: 1, lateReplies: 0 });
  });

  it('that have always echoed the id may stop to: the reply is not guessed at, but the call is sent again', async () => {
    const queue = uniqueName('mixed');
    let propertiesOf: Properties = echoing;
    const requests = new Inbox<PeerMessage>();
    await serve(queue, (peer) => (request) => {
      requests.push(request);
      answering(peer, propertiesOf)(request);
    });
    const caller = await world.caller();
    const calls = caller.to(queue);
    await reachShared((n) => calls.rpc('echo', n), requests);
    expect(caller.snapshot().replyQueues).toBe(1);
    const sentBefore = requests.items.length;

    propertiesOf = silent;
    expect((await calls.rpc('echo', 'after')).unwrap()).toBe('after');

    expect(caller.events.of('reply.ambiguous').items).toHaveLength(1);
    const [first, second] = requests.items.slice(sentBefore);
    expect(second?.properties.messageId).toBe(first?.properties.messageId);
    expect(second?.properties.replyTo).not.toBe(first?.properties.replyTo);
    // From now on nothing is sent twice.
    expect((await calls.rpc('echo', 'later')).unwrap()).toBe('later');
    expect(requests.items).toHaveLength(sentBefore + 3);
  });

  it('that stop to echo the id while others wait have only those calls sent again that get no other reply', async () => {
    const queue = uniqueName('mixed');
    const requests = new Inbox<PeerMessage>();
    let hold = false;
    const peer = await serve(queue, (self) => (request) => {
      requests.push(request);
      if (!hold) answering(self, echoing)(request);
    });
    const caller = await world.caller();
    const calls = caller.to(queue, { timeoutMs: 2_000 });
    const call = async (n: number) => (await calls.rpc('echo', n)).unwrap();
    await reachShared(call, requests);
    const before = requests.items.length;

    hold = true;
    const answers = Promise.all(Array.from({ length: 50 }, (_, n) => call(n)));
    await requests.take(before + 50);
    const [mute, ...others] = requests.items.slice(before);
    if (!mute) throw new Error('nothing was asked');
    hold = false;
    answering(peer, silent)(mute);
    for (const request of others) answering(peer, echoing)(request);

    expect(await answers).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(caller.events.of('reply.ambiguous').items).toHaveLength(1);
    const again = requests.items.slice(before + 50);
    expect(again.map(({ properties }) => properties.messageId)).toEqual([mute.properties.messageId]);
    expect(again.map(isShared)).toEqual([false]);
    expect(caller.snapshot().pending).toBe(0);
  });

  it('that answer where no call can be meant for sure are not believed, without a retry either', async () => {
    const queue = uniqueName('mixed');
    let answer: ((request: PeerMessage) => void) | undefined;
    const requests = new Inbox<PeerMessage>();
    const peer = await serve(queue, (self) => (request) => {
      requests.push(request);
      (answer ?? answering(self, echoing))(request);
    });
    const caller = await world.caller();
    const calls = caller.to(queue, { timeoutMs: 10_000, maxRetry: 0 });
    await reachShared((n) => calls.rpc('echo', n), requests);
    answer = (request) => {
      peer.send(replyToOf(request), resultBytes('of an earlier call'));
      peer.send(replyToOf(request), resultBytes('of this one'), echoing(request));
    };
    expect((await calls.rpc('echo', 0)).unwrap()).toBe('of this one');
  });

  it.each([
    ['no JSON', Buffer.from('{"type":'), 'body'],
    ['nothing', Buffer.alloc(0), 'body'],
    [
      'no result',
      Buffer.from(JSON.stringify({ type: 'status', name: 'x', category: 'message', content: {} })),
      'body.type',
    ],
    ['a megabyte too much', Buffer.alloc(2 * 1024 * 1024, ' '), 'body'],
  ])('that send %s fail that call, by name, and no other', async (_what, content, field) => {
    const queue = uniqueName('malformed');
    await serve(queue, (peer) => (request) => {
      if (parametersOf(request) === 'bad') peer.send(replyToOf(request), content);
      else answering(peer, silent)(request);
    });
    const caller = await world.caller({ maxMessageBytes: 1024 * 1024 });
    const calls = caller.to(queue);
    const bad = calls.rpc('echo', 'bad').catch((error: unknown) => error);
    const good = calls.rpc('echo', 'good');
    expect(await bad).toMatchObject({ code: 'MALFORMED_MESSAGE', field });
    expect((await good).unwrap()).toBe('good');
    expect(caller.snapshot().pending).toBe(0);
  });

  it('leave no reply queue and no channel behind once nobody has called for a while', async () => {
    const [echoes, mute] = [uniqueName('echoing'), uniqueName('silent')];
    const requests = new Inbox<PeerMessage>();
    await serve(echoes, (peer) => (request) => {
      requests.push(request);
      answering(peer, echoing)(request);
    });
    await serve(mute, (peer) => answering(peer, silent));
    const caller = await world.caller({ replyQueueIdleMs: 500 });
    const call = (queue: string) => async (n: number) => (await caller.to(queue).rpc('echo', n)).unwrap();
    await reachShared(call(echoes), requests);
    await Promise.all([mismatches(50, 10, call(echoes)), mismatches(50, 10, call(mute))]);
    expect(caller.snapshot().replyQueues).toBeGreaterThan(0);
    expect(caller.snapshot().directReplies).toBeGreaterThan(0);

    await eventually(() => expect(caller.snapshot()).toMatchObject({ replyQueues: 0, directReplies: 0 }));

    expect(await mismatches(20, 4, call(echoes))).toEqual([]);
    expect(await mismatches(20, 4, call(mute))).toEqual([]);
  });
});
