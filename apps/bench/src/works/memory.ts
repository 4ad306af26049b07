import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '../run/stage.js';
import type { Child } from '../run/child.js';
import { whoeverAcks, type Metric, type Round, type Work } from './work.js';

const PARAMETER_BYTES = 100;
const IN_FLIGHT = 10_000;
const REST_MS = 1_000;
const MANY = 1_000_000;
/** Until then a process grows for reasons of its own. */
const SETTLED = 100_000;
const PORTION = 100_000;
const LIMIT_MS = 300_000;

const megabytes = (bytes: number): number => bytes / 1_048_576;

const amount = (id: string, title: string, unit: string): Metric => ({
  id,
  title,
  unit,
  better: 'less',
  isCompared: false,
});

const compared = (metric: Metric): Metric => ({ ...metric, isCompared: true });

const used = async (child: Child): Promise<number> => (await child.call('memory', null)).usedBytes;

const openRest = async (stage: Stage): Promise<Round> => {
  const setting = stage.setting(await stage.place());
  return async () => {
    const consumer = stage.spawn();
    await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'latency' } });
    await sleep(REST_MS);
    const { rssBytes, usedBytes } = await consumer.call('memory', null);
    await stage.stop(consumer);
    return { rss: megabytes(rssBytes), used: megabytes(usedBytes) };
  };
};

const openHeld = async (stage: Stage): Promise<Round> => {
  const place = await stage.place();
  const setting = stage.setting(place, { prefetch: IN_FLIGHT });
  const filling = {
    format: stage.peer.format,
    messages: IN_FLIGHT,
    parameterBytes: PARAMETER_BYTES,
    handlers: 1,
  };
  return async () => {
    const consumer = stage.spawn();
    await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'hold' } });
    const before = await used(consumer);
    await stage.broker.fill(place, filling);
    await consumer.call('handled', { count: IN_FLIGHT });
    const after = await used(consumer);
    await consumer.call('release', { marks: [] });
    await stage.stop(consumer);
    return { perMessage: (after - before) / IN_FLIGHT };
  };
};

const openCalls = async (stage: Stage): Promise<Round> => {
  const setting = stage.setting(await stage.place(), { persistent: false });
  const load = { parameterBytes: PARAMETER_BYTES, inFlight: 100 };
  return async () => {
    const [replier, caller] = [stage.spawn(), stage.spawn()];
    await replier.call('start', { role: 'replier', setting });
    await caller.call('start', { role: 'caller', setting });
    await caller.call('load', { ...load, count: SETTLED / 10 });
    await stage.stop(replier);
    const before = await used(caller);
    await caller.call('abandon', { count: IN_FLIGHT, parameterBytes: PARAMETER_BYTES });
    await sleep(REST_MS);
    const after = await used(caller);
    caller.kill();
    await stage.stop(caller);
    await stage.broker.purge({ exchange: setting.exchange, queues: setting.queues });
    return { perCall: (after - before) / IN_FLIGHT };
  };
};

const openMessages = async (stage: Stage): Promise<Round> => {
  const place = await stage.place();
  const setting = stage.setting(place);
  const portion = {
    format: stage.peer.format,
    messages: PORTION,
    parameterBytes: PARAMETER_BYTES,
    handlers: 1,
  };
  return async () => {
    const consumer = stage.spawn();
    await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'count', marks: [] } });
    let settled = 0;
    for (let count = PORTION; count <= MANY; count += PORTION) {
      await stage.broker.fill(place, portion);
      await consumer.call('handled', { count }, LIMIT_MS);
      if (count === SETTLED) settled = await used(consumer);
    }
    const growth = (await used(consumer)) - settled;
    await stage.stop(consumer);
    return { growth: megabytes(growth) };
  };
};

const openRpcs = async (stage: Stage): Promise<Round> => {
  const setting = stage.setting(await stage.place(), { persistent: false });
  const load = { parameterBytes: PARAMETER_BYTES, inFlight: 100 };
  return async () => {
    const [replier, caller] = [stage.spawn(), stage.spawn()];
    await replier.call('start', { role: 'replier', setting });
    await caller.call('start', { role: 'caller', setting });
    await caller.call('load', { ...load, count: SETTLED }, LIMIT_MS);
    const [callerBefore, replierBefore] = [await used(caller), await used(replier)];
    await caller.call('load', { ...load, count: MANY - SETTLED }, LIMIT_MS);
    const [callerAfter, replierAfter] = [await used(caller), await used(replier)];
    await stage.stop(caller);
    await stage.stop(replier);
    return {
      caller: megabytes(callerAfter - callerBefore),
      replier: megabytes(replierAfter - replierBefore),
    };
  };
};

const THREE = { maxRounds: 3, takes: whoeverAcks };
const ONCE = { maxRounds: 1, takes: whoeverAcks };

export const MEMORY_WORKS: readonly Work[] = [
  {
    id: 'memory-rest',
    title: 'memory of a consumer at rest',
    conditions: 'connected, after garbage collection',
    metrics: [
      compared(amount('rss', 'resident', 'MB')),
      compared(amount('used', 'heap and buffers in use', 'MB')),
    ],
    ...THREE,
    open: openRest,
  },
  {
    id: 'memory-held',
    title: `memory of ${IN_FLIGHT} messages whose handlers have not ended`,
    conditions: `${PARAMETER_BYTES} B, prefetch ${IN_FLIGHT}; heap and buffers in use, after garbage collection`,
    metrics: [compared(amount('perMessage', 'for each', 'bytes'))],
    ...THREE,
    open: openHeld,
  },
  {
    id: 'memory-calls',
    title: `memory of ${IN_FLIGHT} rpcs without a reply`,
    conditions: `${PARAMETER_BYTES} B, in the caller, ${SETTLED / 10} calls later; heap and buffers in use, after garbage collection`,
    metrics: [compared(amount('perCall', 'for each', 'bytes'))],
    ...THREE,
    open: openCalls,
  },
  {
    id: 'memory-messages',
    title: `growth of a consumer from ${SETTLED} to ${MANY} messages`,
    conditions: `${PARAMETER_BYTES} B, prefetch 100; heap and buffers in use, after garbage collection`,
    metrics: [amount('growth', 'growth', 'MB')],
    ...ONCE,
    open: openMessages,
  },
  {
    id: 'memory-rpcs',
    title: `growth of caller and replier from ${SETTLED} to ${MANY} rpcs`,
    conditions: `${PARAMETER_BYTES} B, 100 in flight; heap and buffers in use, after garbage collection`,
    metrics: [
      amount('caller', 'growth of the caller', 'MB'),
      amount('replier', 'growth of the replier', 'MB'),
    ],
    ...ONCE,
    takes: ({ id }) => id === 'postage' || id === 'bare',
    open: openRpcs,
  },
];
