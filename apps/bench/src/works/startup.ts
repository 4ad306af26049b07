import type { Stage } from '../run/stage.js';
import { clockMs } from '../side/clock.js';
import { everybody, type Metric, type Round, type Work } from './work.js';

const open = async (stage: Stage): Promise<Round> => {
  const place = await stage.place();
  const setting = stage.setting(place);
  const one = { format: stage.peer.format, messages: 1, parameterBytes: 100, handlers: 1 };
  return async () => {
    await stage.broker.fill(place, one);
    const spawnedAtMs = clockMs();
    const consumer = stage.spawn();
    const meter = { kind: 'count', marks: [1] } as const;
    const { calledAtMs } = await consumer.call('start', { role: 'consumer', setting, meter });
    const { atMs } = await consumer.call('handled', { count: 1 });
    await stage.stop(consumer);
    return { process: atMs - spawnedAtMs, app: atMs - calledAtMs };
  };
};

const time = (id: string, title: string): Metric => ({
  id,
  title,
  unit: 'ms',
  better: 'less',
  isCompared: true,
});

export const STARTUP_WORK: Work = {
  id: 'startup',
  title: 'start to the first message handled',
  conditions: 'one message waits in the queue; a new process in each round',
  metrics: [
    time('process', 'from the start of the process'),
    time('app', 'from the start of the application, modules loaded'),
  ],
  takes: everybody,
  open,
};
