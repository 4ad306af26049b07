import type { Stage } from '../run/stage.js';
import { cpu, rate, sizeName, sizeTitle, whoeverAcks, type Round, type Work } from './work.js';

export interface Drain {
  readonly prefetch: number;
  readonly parameterBytes: number;
  readonly queueCount: number;
  readonly handlers: number;
}

/** So many messages fill about a second, at small prefetches and at large ones. */
const PER_SECOND = { serial: 2_500, parallel: 20_000 };
const MAX_BYTES_PER_SECOND = 200 * 1_048_576;
/** A new process runs slowly at first: so much of what is measured goes before, and at least so many messages. */
const WARM_UP_PART = 0.5;
const MIN_WARM_UP = 8_000;
const LIMIT_MS = 120_000;

const amounts = ({ prefetch, parameterBytes }: Drain, seconds: number): { count: number; warmUp: number } => {
  const bySize = (MAX_BYTES_PER_SECOND * seconds) / parameterBytes;
  const bySpeed = (prefetch === 1 ? PER_SECOND.serial : PER_SECOND.parallel) * seconds;
  const count = Math.ceil(Math.min(bySize, bySpeed));
  const enough = prefetch === 1 ? PER_SECOND.serial / 2 : MIN_WARM_UP;
  return { count, warmUp: Math.ceil(Math.min(bySize, Math.max(count * WARM_UP_PART, enough))) };
};

/** Each round has a consumer of its own: it starts at a full queue, and ends with an empty one. */
export const openDrain = async (stage: Stage, drain: Drain): Promise<Round> => {
  const { prefetch, parameterBytes, queueCount, handlers } = drain;
  const { count, warmUp } = amounts(drain, stage.seconds);
  const place = await stage.place(queueCount);
  const setting = stage.setting(place, { prefetch, handlers });
  const messages = warmUp + count;
  const { format } = stage.peer;
  return async () => {
    await stage.broker.fill(place, { format, messages, parameterBytes, handlers });
    const consumer = stage.spawn();
    const meter = { kind: 'count', marks: [warmUp, messages] } as const;
    await consumer.call('start', { role: 'consumer', setting, meter });
    const begin = await consumer.call('handled', { count: warmUp }, LIMIT_MS);
    const end = await consumer.call('handled', { count: messages }, LIMIT_MS);
    await stage.stop(consumer);
    const left = await stage.broker.waiting(place);
    if (left > 0) throw new Error(`${left} messages were handled, and not acknowledged`);
    return {
      rate: (count / (end.atMs - begin.atMs)) * 1_000,
      cpu: (end.cpuMicros - begin.cpuMicros) / count,
    };
  };
};

export const DRAIN_METRICS = [rate('messages/s'), cpu('cpu', 'consumer')];

export const drainConditions = (prefetch: number, extra = ''): string =>
  `filled before; every message acknowledged, which is checked; durable, persistent messages, prefetch ${prefetch}${extra}; a new process in each round, measured after its first messages`;

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
