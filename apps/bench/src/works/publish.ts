import type { Stage } from '../run/stage.js';
import {
  cpu,
  everybody,
  rate,
  sizeName,
  sizeTitle,
  type Round,
  type Work,
  LEAD_IN,
  WARM_UP,
} from './work.js';

interface Publishing {
  readonly inFlight: number;
  readonly parameterBytes: number;
}

const open = async (stage: Stage, load: Publishing): Promise<Round> => {
  const { seconds } = stage;
  const place = await stage.place();
  const publisher = stage.spawn();
  await publisher.call('start', { role: 'publisher', setting: stage.setting(place, { persistent: true }) });
  await publisher.call('load', WARM_UP);
  await stage.broker.purge(place);
  return async () => {
    await publisher.call('load', { ...load, ...LEAD_IN });
    const { count, elapsedMs, cpuMicros } = await publisher.call('load', { ...load, seconds });
    await stage.broker.purge(place);
    return { rate: (count / elapsedMs) * 1_000, cpu: cpuMicros / count };
  };
};

export const publish = (load: Publishing): Work => ({
  id: `publish-${load.inFlight}-${sizeName(load.parameterBytes)}`,
  title: `confirmed publish, ${load.inFlight} in flight, ${sizeTitle(load.parameterBytes)}`,
  conditions: 'one process; each message is waited for until its confirm; durable queue, persistent messages',
  metrics: [rate('messages/s'), cpu('cpu', 'publisher')],
  takes: everybody,
  isQuick: load.inFlight === 100 && load.parameterBytes === 100,
  open: (stage) => open(stage, load),
});

export const PUBLISH_WORKS: readonly Work[] = [1, 100, 1_000].flatMap((inFlight) =>
  [100, 1_024].map((parameterBytes) => publish({ inFlight, parameterBytes })),
);
