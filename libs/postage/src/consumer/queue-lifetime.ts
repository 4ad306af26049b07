import type { Topology } from '../topology/types.js';

/**
 * When the broker deletes a queue by itself: when its last consumer goes (auto-delete), some time after that (expires), or never.
 */
export type QueueLifetime = 'while consumed' | 'until unused' | 'lasting';

export const lifetimeOf = (queue: string, { queues }: Topology): QueueLifetime => {
  const declared = queues.find(({ name }) => name === queue);
  if (declared?.autoDelete === true) return 'while consumed';
  return declared?.arguments['x-expires'] === undefined ? 'lasting' : 'until unused';
};
