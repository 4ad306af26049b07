import type { Driver } from '../../libs/postage/src/connection/port.js';

/** A broker that the contract is checked on. */
export interface Subject {
  readonly name: string;
  connect(): Promise<Driver>;
  /** Cuts all connections from the broker's side, as an operator or a crash does. */
  disconnectAll(): Promise<void>;
}
