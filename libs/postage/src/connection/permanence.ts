import { ConnectionError, InvalidOptionError, TopologyError } from '../errors.js';
import { isPermanentRefusal } from '../topology/refusal.js';

/** What those hear who use a connection after its end. */
export const closedError = (): ConnectionError =>
  new ConnectionError('CONNECTION_CLOSED', 'the connection was closed by this application');

/** What waiting does not cure. A locked exclusive queue (405) frees itself once the broker notices that its old owner is gone. */
export const isPermanent = (error: Error): boolean => {
  if (error instanceof TopologyError) {
    // In the broker's own words: ours explain them.
    const { amqpCode, cause } = error;
    return isPermanentRefusal(amqpCode, cause instanceof Error ? cause.message : error.message);
  }
  return error instanceof InvalidOptionError || (error instanceof ConnectionError && error.permanent);
};

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
