import type { AmqpTable } from '../../topology/types.js';
import { amqpType } from './equivalence.js';
import { preconditionFailed } from './refusals.js';
import { sameValue } from './table.js';

const MODES: ReadonlySet<unknown> = new Set(['all', 'any', 'all-with-x', 'any-with-x']);

/** @throws {BrokerError} 406: `x-match` is none of the four modes */
export const requireMatchMode = (pattern: AmqpTable): void => {
  const mode = pattern['x-match'];
  if (mode === undefined || MODES.has(mode)) return;
  if (typeof mode === 'string') {
    throw preconditionFailed(
      `Invalid x-match field value <<"${mode}">>; expected all, any, all-with-x, or any-with-x`,
    );
  }
  throw preconditionFailed(
    `Invalid x-match field type ${amqpType(mode)} (value ${JSON.stringify(mode)}); expected longstr`,
  );
};

/**
 * Whether the arguments of a binding match the headers of a message. A null in the pattern asks only whether the header
 * is there; names that begin with `x-` count only in the modes that say so.
 */
export const headersMatch = (pattern: AmqpTable, headers: Readonly<Record<string, unknown>>): boolean => {
  const mode = pattern['x-match'] ?? 'all';
  const withX = mode === 'all-with-x' || mode === 'any-with-x';
  const matches = (name: string): boolean => {
    if (!Object.hasOwn(headers, name)) return false;
    return pattern[name] === null || sameValue(pattern[name], headers[name]);
  };
  const names = Object.keys(pattern).filter(
    (name) => name !== 'x-match' && (withX || !name.startsWith('x-')),
  );
  return mode === 'any' || mode === 'any-with-x' ? names.some(matches) : names.every(matches);
};
