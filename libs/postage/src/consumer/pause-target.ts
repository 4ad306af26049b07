import { InvalidOptionError } from '../errors.js';
import { topologyOf, type Eqk } from '../topology/binding.js';
import type { Compatibility } from '../topology/queue.js';
import type { ProcessorScope } from './queue-plan.js';

/** What can be paused: the queues of a processor class, or one queue by its name. */
export type PauseTarget = object | string;

export interface PauseTargets {
  readonly scopes: readonly ProcessorScope[];
  /** The queues of scopes that name none. */
  readonly ownEqk: Eqk;
  readonly compatibility: Compatibility;
  /** Queues that no scope names. */
  readonly further: readonly string[];
}

/**
 * The queues that a target stands for.
 * @throws {InvalidOptionError} it stands for none; the error names what there is
 */
export const queuesOfTarget = (target: PauseTarget, targets: PauseTargets): readonly string[] => {
  const { scopes, ownEqk, compatibility, further } = targets;
  const namesOf = ({ eqk }: Pick<ProcessorScope, 'eqk'>): readonly string[] => {
    const { queues } = topologyOf(eqk.length > 0 ? eqk : ownEqk, { compatibility });
    return queues.map(({ name }) => name);
  };
  const all = [...new Set([...scopes.flatMap(namesOf), ...further])];
  const meant = scopes.filter(({ source }) => source !== undefined && source === target);
  if (meant.length > 0) return [...new Set(meant.flatMap(namesOf))];
  if (typeof target === 'string' && all.includes(target)) return [target];
  const processors = scopes.filter(({ source }) => source !== undefined).map(({ label }) => label);
  throw new InvalidOptionError(
    'target',
    `${describe(target)} is neither a processor nor a queue of this consumer. Processors: ${listOf(processors)}. Queues: ${listOf(all)}.`,
  );
};

const describe = (target: PauseTarget): string => {
  if (typeof target === 'string') return JSON.stringify(target);
  return typeof target === 'function' ? target.name : 'an object';
};

const listOf = (names: readonly string[]): string => names.join(', ') || 'none';
