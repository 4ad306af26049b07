import { DRAIN_WORKS } from './drain.js';
import { LATENCY_WORKS } from './latency.js';
import { MEMORY_WORKS } from './memory.js';
import { PUBLISH_WORKS } from './publish.js';
import { RPC_WORKS } from './rpc.js';
import { STARTUP_WORK } from './startup.js';
import { HANDLERS_WORK, QUEUES_WORK, SIZE_WORKS } from './variants.js';
import type { Work } from './work.js';

/** Everything that can be measured, in the order in which it is. */
export const WORKS: readonly Work[] = [
  ...RPC_WORKS,
  ...PUBLISH_WORKS,
  ...DRAIN_WORKS,
  ...LATENCY_WORKS,
  ...SIZE_WORKS,
  HANDLERS_WORK,
  QUEUES_WORK,
  ...MEMORY_WORKS,
  STARTUP_WORK,
];
