import { InvalidOptionError } from '../errors.js';
import type { Ek, Eks } from '../topology/binding.js';
import type { CallOptions } from './call-options.js';

/**
 * Where a message goes. Postage's rules: per-call `eks` win; a per-call `key` alone means the first exchange with that
 * key; otherwise all couples of the producer.
 * @throws {InvalidOptionError} there is no couple at all
 */
export const targetsOf = (own: Eks, options: CallOptions, producer: string): readonly [Ek, ...Ek[]] => {
  const eks = options.eks ?? own;
  if (!hasFirst(eks)) {
    throw new InvalidOptionError(
      'eks',
      `${producer} has no (exchange, key) couple to send to. Give it some with @Producer({ eks: [[exchange, key]] }), or per call with .with({ eks: [[exchange, key]] }).`,
    );
  }
  if (options.eks === undefined && options.key !== undefined) return [[eks[0][0], options.key]];
  return eks;
};

const hasFirst = (eks: Eks): eks is readonly [Ek, ...Ek[]] => eks.length > 0;
