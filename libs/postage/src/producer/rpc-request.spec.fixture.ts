import type { PublishTarget } from '../errors.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { RpcRequest } from './rpc-request.js';

/** A request that may take a second: five attempts of 200 ms each. */
export const requestTo = (target: PublishTarget): RpcRequest => ({
  target,
  topology: EMPTY_TOPOLOGY,
  content: Buffer.from('?'),
  properties: {},
  mandatory: true,
  timeoutMs: 200,
  maxRetry: 4,
  publishTimeoutMs: 30_000,
  type: 'command',
  command: 'ask',
});
