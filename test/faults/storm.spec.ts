import { setTimeout as sleep } from 'node:timers/promises';
import {
  DEFAULT_EXCHANGE,
  Parameters,
  PostageConnection,
  PostageError,
  Processor,
  RpcCaller,
  RpcHandler,
} from 'nestjs-postage';
import { describe, expect, it, onTestFailed, onTestFinished } from 'vitest';
import { createVhost, givenBroker } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { hasOneConsumer } from './support/broker-view.js';
import { closeConnectionsOf, createUser, deleteUser } from './support/fault-node.js';
import { RECONNECT, Traffic } from './support/traffic.js';

const TEST = 'test/faults/storm.spec.ts';
const STORM_MS = 20_000;
const CALLS_AT_ONCE = 20;
const TIMEOUT_MS = 1_500;
const MAX_RETRY = 1;
/** What a call may take; and what a busy machine may add. */
const DEADLINE_MS = TIMEOUT_MS * (MAX_RETRY + 1);
const SLACK_MS = 2_000;
/** What a call that a fault has met may end with; `TimeoutError` is what it returns. */
const ENDS = new Set(['answer', 'TimeoutError', 'CONNECTION_LOST', 'NOT_CONNECTED', 'UNROUTABLE', 'NACKED']);
const CALLS = 'calls';

const unhandled = useUnhandledRejections();

/** A number in [0, 1) after the other, the same ones for the same seed. */
const randomOf = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

@Processor({ eqk: [[DEFAULT_EXCHANGE, [[CALLS, CALLS]]]] })
class Echo {
  @RpcHandler('command', 'echo')
  async echo(@Parameters() { number, workMs }: { number: number; workMs: number }): Promise<number> {
    await sleep(workMs);
    return number;
  }
}

const start = async () => {
  const vhost = await createVhost('storm');
  onTestFinished(() => vhost.delete());
  const user = await createUser(givenBroker(), vhost);
  onTestFinished(() => deleteUser(givenBroker(), user));
  const proxies = [await TcpProxy.to(user.url), await TcpProxy.to(user.url)] as const;
  onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))));
  const peer = await RawPeer.connect(vhost.url);
  onTestFinished(() => peer.close());
  const [receiver, sender] = proxies.map(({ url }) => ({
    connection: { url, heartbeatSeconds: 1, connectTimeoutMs: 1_000 },
  }));
  const traffic = await Traffic.start({
    options: { reconnect: RECONNECT },
    ...(receiver && { receiver }),
    ...(sender && { sender }),
    controllers: [Echo],
    call: { mandatory: true, publishTimeoutMs: 5_000 },
  });
  return { vhost, user, proxies, peer, traffic };
};

type World = Awaited<ReturnType<typeof start>>;

/** Faults at random, and how many of each there were. */
const storm = async ({ user, proxies, peer }: World, seed: number): Promise<Map<string, number>> => {
  const random = randomOf(seed);
  const anyProxy = (): TcpProxy => proxies[random() < 0.5 ? 0 : 1];
  const frozen = async (proxy: TcpProxy, forMs: number): Promise<void> => {
    proxy.freeze();
    await sleep(forMs);
    proxy.thaw();
  };
  const refused = async (proxy: TcpProxy, forMs: number): Promise<void> => {
    proxy.refuse();
    proxy.cut();
    await sleep(forMs);
    await proxy.accept();
  };
  const faults: Readonly<Record<string, () => unknown>> = {
    cut: () => anyProxy().cut(),
    end: () => anyProxy().end(),
    strand: () => anyProxy().strand(),
    freeze: () => frozen(anyProxy(), 500 + random() * 3_000),
    refuse: () => refused(anyProxy(), 300 + random() * 500),
    'operator closes': () => closeConnectionsOf(givenBroker(), user.name),
    // Not that of the numbers: what waits in a queue goes with it, and none of them may be lost.
    'queue deleted': () => peer.channel.deleteQueue(CALLS),
  };
  const counts = new Map<string, number>();
  const endMs = performance.now() + STORM_MS;
  while (performance.now() < endMs) {
    await sleep(100 + random() * 500);
    const [name, act] = Object.entries(faults)[Math.floor(random() * Object.keys(faults).length)] ?? [];
    if (name === undefined) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await act?.();
  }
  return counts;
};

interface Ended {
  readonly end: string;
  readonly elapsedMs: number;
}

/** Calls without a pause until told to stop; each one that is answered has its own answer. */
const callUntil = async (isOver: () => boolean, traffic: Traffic): Promise<Ended[]> => {
  const producer = traffic.to(CALLS, { timeoutMs: TIMEOUT_MS, maxRetry: MAX_RETRY });
  const ended: Ended[] = [];
  let next = 0;
  const call = async (number: number): Promise<string> => {
    try {
      const result = await producer.rpc<number>('echo', { number, workMs: number % 50 });
      if (!result.ok) return String(result.value);
      return result.value === number ? 'answer' : `the answer of call ${result.value}`;
    } catch (error) {
      return error instanceof PostageError ? error.code : String(error);
    }
  };
  const work = async (): Promise<void> => {
    while (!isOver()) {
      const begunMs = performance.now();
      next += 1;
      const end = await call(next);
      ended.push({ end, elapsedMs: performance.now() - begunMs });
      // Where it fails at once, such as without a queue.
      if (end !== 'answer') await sleep(20);
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, work));
  return ended;
};

describe('a storm of faults', () => {
  it('ends with every call settled in its time, with its own answer or a known error, and nothing pending', async () => {
    const world = await start();
    const { vhost, traffic } = world;
    const seed = Math.floor(Math.random() * 2 ** 31);
    onTestFailed(() => void process.stderr.write(`The storm's seed was ${seed}.\n`));

    let isOver = false;
    const calls = callUntil(() => isOver, traffic);
    const faults = await storm(world, seed).finally(() => {
      isOver = true;
    });
    const ended = await calls;

    expect(ended.map(({ end }) => end).filter((end) => !ENDS.has(end))).toEqual([]);
    const longestMs = Math.max(...ended.map(({ elapsedMs }) => elapsedMs));
    expect(longestMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
    // All is as before: everything is answered, each queue is consumed once.
    await traffic.ready();
    await Promise.all([CALLS, traffic.queue].map((queue) => hasOneConsumer(vhost, queue)));
    const calm = traffic.to(CALLS);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, number) => calm.rpc<number>('echo', { number, workMs: 0 })),
    );
    expect(answers.map((answer) => answer.unwrap())).toEqual(answers.map((_, number) => number));
    await traffic.handlesMore();
    const totals = await traffic.finish({
      fault: `storm of random faults, ${STORM_MS / 1_000} s`,
      test: TEST,
      faults: [...faults.values()].reduce((sum, count) => sum + count, 0),
      calls: ended.length,
      answered: ended.filter(({ end }) => end === 'answer').length,
      longestCallMs: longestMs,
    });
    expect(totals.lost).toBe(0);
    expect(traffic.sender.get(RpcCaller).snapshot).toMatchObject({ pending: 0, waiting: 0 });
    expect(traffic.sender.get(PostageConnection).snapshot.pendingPublishes).toBe(0);
    expect(unhandled).toEqual([]);
  });
});
