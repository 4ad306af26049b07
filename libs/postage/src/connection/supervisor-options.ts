import type { Observer } from '../observability/observer.js';
import type { Backoff } from './backoff.js';
import type { Driver } from './port.js';
import type { Startup } from './startup.js';

export interface SupervisorOptions {
  readonly driver: Driver;
  readonly role: 'publish' | 'consume';
  readonly connectionName: string;
  readonly backoff: Backoff;
  readonly observer: Observer;
  readonly random: () => number;
  /** Holds until it was ready once. @default no limits */
  readonly startup?: Startup | undefined;
}
