import type { Stage } from '../run/stage.js';
import { cpu, LEAD_IN, rate, sizeName, sizeTitle, WARM_UP, type Round, type Work } from './work.js';

const PREFETCH = 100;

interface Rpc {
  readonly inFlight: number;
  readonly parameterBytes: number;
}

const open = async (stage: Stage, load: Rpc): Promise<Round> => {
  const { seconds } = stage;
  const setting = stage.setting(await stage.place(), { prefetch: PREFETCH, persistent: false });
  const [replier, caller] = [stage.spawn(), stage.spawn()];
  await replier.call('start', { role: 'replier', setting });
  await caller.call('start', { role: 'caller', setting });
  await caller.call('load', WARM_UP);
  return async () => {
    await caller.call('load', { ...load, ...LEAD_IN });
    const before = await replier.call('cpu', null);
    const { count, elapsedMs, cpuMicros } = await caller.call('load', { ...load, seconds });
    const after = await replier.call('cpu', null);
    return {
      rate: (count / elapsedMs) * 1_000,
      callerCpu: cpuMicros / count,
      replierCpu: (after.cpuMicros - before.cpuMicros) / count,
    };
  };
};

export const rpc = (load: Rpc): Work => ({
  id: `rpc-${load.inFlight}-${sizeName(load.parameterBytes)}`,
  title: `rpc, ${load.inFlight === 1 ? 'one at a time' : `${load.inFlight} in flight`}, ${sizeTitle(load.parameterBytes)}`,
  conditions: `two processes; the reply has the parameters of the request; durable queue, transient requests and replies, prefetch ${PREFETCH}`,
  metrics: [rate('calls/s'), cpu('callerCpu', 'caller'), cpu('replierCpu', 'replier')],
  takes: ({ only }) => only !== 'single rpc' || load.inFlight === 1,
  isQuick: load.parameterBytes === 100,
  open: (stage) => open(stage, load),
});

export const RPC_WORKS: readonly Work[] = [1, 100].flatMap((inFlight) =>
  [100, 1_024].map((parameterBytes) => rpc({ inFlight, parameterBytes })),
);
