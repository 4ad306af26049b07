import type { Stage } from '../run/stage.js';
import { everybody, sizeName, sizeTitle, type Metric, type Round, type Work } from './work.js';

const PER_SECOND = 2_000;
const PREFETCH = 100;
const WARM_UP_SECONDS = 1;
/** A process that can not keep the pace is not measured at it. */
const MIN_PACE_PART = 0.8;

const open = async (stage: Stage, parameterBytes: number): Promise<Round> => {
  const setting = stage.setting(await stage.place(), { prefetch: PREFETCH });
  const [consumer, publisher] = [stage.spawn(), stage.spawn()];
  await consumer.call('start', { role: 'consumer', setting, meter: { kind: 'latency' } });
  await publisher.call('start', { role: 'publisher', setting });
  const run = async (pacedSeconds: number): Promise<{ p50: number; p99: number }> => {
    const pace = { perSecond: PER_SECOND, seconds: pacedSeconds, parameterBytes };
    const { count, elapsedMs } = await publisher.call('pace', pace);
    const { p50Ms, p99Ms } = await consumer.call('latencies', { count });
    const reached = (count / elapsedMs) * 1_000;
    if (reached < PER_SECOND * MIN_PACE_PART)
      throw new Error(`only ${Math.round(reached)} messages could be sent in a second`);
    return { p50: p50Ms, p99: p99Ms };
  };
  await run(WARM_UP_SECONDS);
  return () => run(stage.seconds);
};

const quantile = (id: string, title: string): Metric => ({
  id,
  title,
  unit: 'ms',
  better: 'less',
  isCompared: true,
});

export const LATENCY_WORKS: readonly Work[] = [100, 1_024].map((parameterBytes) => ({
  id: `latency-${sizeName(parameterBytes)}`,
  title: `message to handler at ${PER_SECOND}/s, ${sizeTitle(parameterBytes)}`,
  conditions: `two processes, one clock: from just before the call that publishes to the handler; durable queue, persistent messages, prefetch ${PREFETCH}`,
  metrics: [quantile('p50', 'half of all within'), quantile('p99', '99 % within')],
  takes: everybody,
  open: (stage) => open(stage, parameterBytes),
}));
