import { InvalidOptionError } from '../errors.js';
import { canonical } from './amqp-table.js';
import type { AmqpTable, DeclareMode, Exchange, Queue } from './types.js';

/** How much each mode does: of two definitions of one entity, the one that does more is carried out. */
const EFFORT: Readonly<Record<DeclareMode, number>> = { assume: 0, passive: 1, assert: 2 };

/**
 * Every name once, in order of first appearance. Definitions are compared where both would declare the entity; one that
 * only checks or assumes says nothing about it, and gives way.
 * @throws {InvalidOptionError} two of them differ
 */
export const uniqueEntities = <T extends Exchange | Queue>(
  kind: 'exchange' | 'queue',
  entities: readonly T[],
): readonly T[] => {
  const byName = new Map<string, T>();
  for (const entity of entities) {
    const earlier = byName.get(entity.name);
    if (earlier === undefined || EFFORT[entity.declare] > EFFORT[earlier.declare])
      byName.set(entity.name, entity);
    else if (earlier.declare === 'assert' && entity.declare === 'assert')
      refuseDifference(kind, earlier, entity);
  }
  return Object.freeze([...byName.values()]);
};

const refuseDifference = (kind: string, one: Exchange | Queue, other: Exchange | Queue): void => {
  const [first, second] = [fieldsOf(one), fieldsOf(other)];
  const field = [...first.keys(), ...second.keys()].find((key) => first.get(key) !== second.get(key));
  if (field === undefined) return;
  const [here, there] = [first.get(field) ?? 'none', second.get(field) ?? 'none'];
  throw new InvalidOptionError(
    `${kind} "${one.name}"`,
    `is defined twice, once with ${field} ${here} and once with ${field} ${there}. Give it one definition, for example a constant that both places use.`,
  );
};

/** What a definition says, field by field; each argument is a field of its own. */
const fieldsOf = (entity: Exchange | Queue): ReadonlyMap<string, string> => {
  const { name: _name, declare: _declare, arguments: table, ...properties } = entity;
  const fields = [...Object.entries(properties), ...argumentFields(table)];
  return new Map(fields.map(([field, value]) => [field, canonical(value)]));
};

const argumentFields = (table: AmqpTable): readonly (readonly [string, AmqpTable[string]])[] =>
  Object.entries(table).map(([key, value]) => [`arguments["${key}"]`, value]);
