import type { Declarations } from '../connection/declarations.js';
import type { Delivery } from '../connection/port.js';
import type { Supervisor } from '../connection/supervisor.js';
import type { Observer } from '../observability/observer.js';
import type { Topology } from '../topology/types.js';
import type { QueueLeftovers } from './leftovers.js';
import type { Settlement } from './outcome.js';

export interface SubscriptionOptions {
  readonly queue: string;
  /** Declared before the queue is consumed; bindings may be added at run time. */
  readonly topology: Topology;
  readonly prefetch: number;
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
  readonly observer: Observer;
  /** Handles one delivery and says how to settle it; must not reject. */
  readonly handle: (delivery: Delivery) => Promise<Settlement>;
  /** Only this process consumes it, although it is not exclusive. */
  readonly isPrivate?: boolean | undefined;
  /** Where somebody wants to know what waited in the queue before the first consumer of this process. */
  readonly leftovers?: QueueLeftovers | undefined;
  /** It starts paused. @default false */
  readonly isPaused?: boolean | undefined;
}
