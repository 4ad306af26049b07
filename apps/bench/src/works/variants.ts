import { drain, drainConditions, DRAIN_METRICS, openDrain } from './drain.js';
import { publish } from './publish.js';
import { rpc } from './rpc.js';
import { whoeverAcks, type Work } from './work.js';

/** What changes the amount of work per message: the size of bodies, the number of handlers, the number of queues. */

const PARAMETER_BYTES = 100;
const HANDLERS_PREFETCH = 100;
const QUEUES_PREFETCH = 32;

const SIZES = [10_240, 102_400, 1_048_576];

export const SIZE_WORKS: readonly Work[] = SIZES.flatMap((bytes) => [
  rpc({ inFlight: 1, parameterBytes: bytes }),
  publish({ inFlight: 100, parameterBytes: bytes }),
  drain(100, bytes),
]);

/** Who chooses the handler by the name of a message, and so can have many for one queue. */
const BY_NAME = new Set(['postage', 'bare', 'nest-tuned']);

export const HANDLERS_WORK: Work = {
  id: 'handlers',
  title: 'acked drain, number of handlers for one queue',
  conditions: drainConditions(HANDLERS_PREFETCH, '; messages for all handlers in turn'),
  metrics: DRAIN_METRICS,
  variants: [1, 100, 1_000],
  takes: ({ id }) => BY_NAME.has(id),
  open: (stage, { variant: handlers }) =>
    openDrain(stage, {
      prefetch: HANDLERS_PREFETCH,
      parameterBytes: PARAMETER_BYTES,
      queueCount: 1,
      handlers,
    }),
};

export const QUEUES_WORK: Work = {
  id: 'queues',
  title: 'acked drain, number of queues',
  conditions: drainConditions(
    QUEUES_PREFETCH,
    ' for each queue; as many messages as ever, spread over all queues',
  ),
  metrics: DRAIN_METRICS,
  variants: [1, 10, 100],
  takes: whoeverAcks,
  open: (stage, { variant: queueCount }) =>
    openDrain(stage, { prefetch: QUEUES_PREFETCH, parameterBytes: PARAMETER_BYTES, queueCount, handlers: 1 }),
};
