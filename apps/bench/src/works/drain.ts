import type { Place } from '../run/broker.js';
import type { Stage } from '../run/stage.js';
import type { Setting } from '../side/peer.js';
import { cpu, rate, sizeName, sizeTitle, whoeverAcks, type Round, type Work } from './work.js';

export interface Drain {
  readonly prefetch: number;
  readonly parameterBytes: number;
  readonly queueCount: number;
  readonly handlers: number;
}

/** So many messages take about a second, at small prefetches and at large ones. */
const PER_SECOND = { serial: 2_500, parallel: 20_000 };
const MAX_BYTES_PER_SECOND = 200 * 1_048_576;
/** What a broker keeps in memory of a classic queue: beyond that its disk would be measured. */
const MAX_WAITING = 12_000;
/** Until the engine has compiled what runs often. */
const WARM_UP = { serial: 5_000, parallel: 30_000 };
/** Of what waits, the part that is handled before the clock starts. */
const LEAD_PART = 0.2;
const LIMIT_MS = 120_000;

/** How many messages wait each time, and how often. */
const amounts = (
  { prefetch, parameterBytes }: Drain,
  seconds: number,
): { readonly count: number; readonly times: number } => {
  const bySize = (MAX_BYTES_PER_SECOND * seconds) / parameterBytes;
  if (prefetch === 1) return { count: Math.ceil(Math.min(bySize, PER_SECOND.serial * seconds)), times: 1 };
  const all = Math.min(bySize, PER_SECOND.parallel * seconds);
  return { count: Math.ceil(Math.min(bySize, MAX_WAITING)), times: Math.ceil(all / MAX_WAITING) };
};

interface Drained {
  readonly count: number;
  readonly ms: number;
  readonly cpuMicros: number;
}

const sum = (parts: readonly Drained[], of: (part: Drained) => number): number =>
  parts.reduce((total, part) => total + of(part), 0);

/** A consumer that leaves messages unacknowledged does less. They come back when it has gone. */
const checkAcks = async (stage: Stage, place: Place, setting: Setting): Promise<void> => {
  const count = 100;
  const consumer = stage.spawn();
  await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'count', marks: [] } });
  const { format } = stage.peer;
  await stage.broker.fill(place, { format, messages: count, parameterBytes: 100, handlers: 1 });
  await consumer.call('handled', { count }, LIMIT_MS);
  await stage.stop(consumer);
  const left = await stage.broker.waiting(place);
  if (left > 0) throw new Error(`${left} of ${count} messages were handled, and not acknowledged`);
};

/** The handlers wait while the queue is filled; then they are let go. */
export const openDrain = async (stage: Stage, drain: Drain): Promise<Round> => {
  const { prefetch, parameterBytes, queueCount, handlers } = drain;
  const place = await stage.place(queueCount);
  const setting = stage.setting(place, { prefetch, handlers });
  await checkAcks(stage, place, setting);
  const filling = { format: stage.peer.format, handlers };
  const consumer = stage.spawn();
  await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'count', marks: [] } });
  const warmUp = prefetch === 1 ? WARM_UP.serial : WARM_UP.parallel;
  await stage.broker.fill(place, { ...filling, messages: warmUp, parameterBytes: 100 });
  await consumer.call('handled', { count: warmUp }, LIMIT_MS);

  const drainOnce = async (count: number): Promise<Drained> => {
    const { count: before } = await consumer.call('hold', null);
    const held = prefetch * queueCount;
    const marks = [before + held + Math.ceil(count * LEAD_PART), before + held + count] as const;
    await stage.broker.fill(place, { ...filling, messages: held + count, parameterBytes });
    await consumer.call('release', { marks });
    const [begin, end] = await Promise.all(
      marks.map((mark) => consumer.call('handled', { count: mark }, LIMIT_MS)),
    );
    if (begin === undefined || end === undefined) throw new Error('there are two marks');
    return {
      count: end.count - begin.count,
      ms: end.atMs - begin.atMs,
      cpuMicros: end.cpuMicros - begin.cpuMicros,
    };
  };

  return async () => {
    const { count, times } = amounts(drain, stage.seconds);
    const parts: Drained[] = [];
    while (parts.length < times) parts.push(await drainOnce(count));
    const messages = sum(parts, (part) => part.count);
    return {
      rate: (messages / sum(parts, ({ ms }) => ms)) * 1_000,
      cpu: sum(parts, ({ cpuMicros }) => cpuMicros) / messages,
    };
  };
};

export const DRAIN_METRICS = [rate('messages/s'), cpu('cpu', 'consumer')];

export const drainConditions = (prefetch: number, extra = ''): string =>
  `the handlers wait while the queue is filled; every message acknowledged, which is checked; durable, persistent messages, prefetch ${prefetch}${extra}`;

export const drain = (prefetch: number, parameterBytes: number): Work => ({
  id: `drain-${prefetch}-${sizeName(parameterBytes)}`,
  title: `acked drain, prefetch ${prefetch}, ${sizeTitle(parameterBytes)}`,
  conditions: drainConditions(prefetch),
  metrics: DRAIN_METRICS,
  takes: whoeverAcks,
  isQuick: prefetch === 100 && parameterBytes === 100,
  open: (stage) => openDrain(stage, { prefetch, parameterBytes, queueCount: 1, handlers: 1 }),
});

export const DRAIN_WORKS: readonly Work[] = [1, 32, 100, 300].flatMap((prefetch) =>
  [100, 1_024].map((parameterBytes) => drain(prefetch, parameterBytes)),
);
