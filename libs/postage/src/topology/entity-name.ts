import { InvalidOptionError } from '../errors.js';
import { readShortString, show } from './checks.js';
import type { DeclareMode } from './types.js';

export const DECLARE_MODES = ['assert', 'passive', 'assume'] as const satisfies readonly DeclareMode[];

export interface NameRules {
  readonly option: string;
  readonly declare: DeclareMode;
  /** What to tell a caller whose name is empty. */
  readonly ifEmpty: string;
}

/**
 * The name of an exchange or queue, as the broker will keep it.
 * @see https://www.rabbitmq.com/docs/queues#names
 */
export const readEntityName = (value: unknown, { option, declare, ifEmpty }: NameRules): string => {
  const name = readShortString(value, option);
  const problem = problemOf(name, declare, ifEmpty);
  if (problem !== undefined) throw new InvalidOptionError(option, problem);
  return name;
};

const problemOf = (name: string, declare: DeclareMode, ifEmpty: string): string | undefined => {
  if (name === '') return ifEmpty;
  // RabbitMQ removes line breaks without a word, after which nobody finds the entity under the name they gave.
  if (/[\r\n]/.test(name)) return `${show(name)} has a line break, which RabbitMQ would remove. Remove it.`;
  if (!name.startsWith('amq.') || declare !== 'assert') return undefined;
  return `${show(name)} starts with "amq.", which RabbitMQ keeps for itself. Choose another name, or add declare: 'passive' to use one that the broker made.`;
};
