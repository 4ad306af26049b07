import type { Queue } from './types.js';

/** A queue of one connection alone: named by the broker, and gone with its consumer. */
export const PRIVATE_QUEUE: Queue = Object.freeze({
  name: '',
  durable: false,
  exclusive: true,
  autoDelete: true,
  arguments: Object.freeze({}),
  declare: 'assert',
});
