import { InvalidOptionError } from '../errors.js';

export type UnknownRecord = Readonly<Record<string, unknown>>;

/** Where a value stands in what the caller wrote: a field's name in, the option's name for an error out. */
export type Place = (field: string) => string;

/** The fields of `option`, or the fields as they are when there is nothing to put in front of them. */
export const placeOf = (option: string | undefined): Place =>
  option === undefined ? (field) => field : (field) => `${option}.${field}`;

export const isRecord = (value: unknown): value is UnknownRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as it reads in an error: short, and never the contents of an object. */
export const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function')
    return value.name === '' ? 'a function' : `the function or class ${value.name}`;
  if (!isRecord(value)) return String(value);
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === 'string' && name !== 'Object' ? `an instance of ${name}` : 'an object';
};

export const readBoolean = (value: unknown, option: string): boolean | undefined => {
  if (value === undefined || typeof value === 'boolean') return value;
  throw new InvalidOptionError(option, `must be true or false, not ${show(value)}.`);
};

/** `value` when it is one of `allowed`, undefined when it is absent. */
export const readOneOf = <T extends string>(
  value: unknown,
  allowed: readonly T[],
  option: string,
): T | undefined => {
  if (value === undefined) return undefined;
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new InvalidOptionError(
    option,
    `${show(value)} is not one of ${allowed.map(show).join(', ')}${didYouMean(value, allowed)}`,
  );
};

const SHORT_STRING_BYTES = 255;

/**
 * A string that fits AMQP's short string: routing keys, and names of entities.
 * @see https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf section 4.2.5.3
 */
export const readShortString = (value: unknown, option: string): string => {
  if (typeof value !== 'string')
    throw new InvalidOptionError(option, `must be a string, not ${show(value)}.`);
  const bytes = Buffer.byteLength(value);
  if (bytes <= SHORT_STRING_BYTES) return value;
  throw new InvalidOptionError(
    option,
    `is ${bytes} bytes long in UTF-8, but AMQP allows ${SHORT_STRING_BYTES}. Shorten ${JSON.stringify(`${value.slice(0, 20)}...`)}.`,
  );
};

export const readList = (value: unknown, option: string, shape: string): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  throw new InvalidOptionError(option, `must be a list ${shape}, not ${show(value)}.`);
};

export interface TupleShape {
  readonly length: readonly [least: number, most: number];
  readonly shape: string;
}

export const readTuple = (
  value: unknown,
  option: string,
  { length: [least, most], shape }: TupleShape,
): readonly unknown[] => {
  if (!Array.isArray(value)) {
    throw new InvalidOptionError(
      option,
      `must be ${shape}, not ${show(value)}. Perhaps a pair of brackets is missing.`,
    );
  }
  if (value.length >= least && value.length <= most) return value;
  throw new InvalidOptionError(option, `must be ${shape}, but has ${value.length} items.`);
};

export interface FieldCheck {
  readonly given: UnknownRecord;
  readonly known: readonly string[];
  /** What to write instead, for fields that other tools know. */
  readonly hints: Readonly<Record<string, string>>;
  readonly at: Place;
}

/** Refuses fields that nobody would read: a misspelt option would otherwise be an option that is silently off. */
export const refuseUnknownFields = ({ given, known, hints, at }: FieldCheck): void => {
  const unknown = Object.keys(given).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const hint = Object.hasOwn(hints, unknown) ? `: ${hints[unknown]}.` : didYouMean(unknown, known);
  throw new InvalidOptionError(at(unknown), `is not known${hint} Known are ${known.join(', ')}.`);
};

export const didYouMean = (given: unknown, candidates: readonly string[]): string => {
  const found = typeof given === 'string' ? nearest(given, candidates) : undefined;
  return found === undefined ? '.' : `; did you mean ${found}?`;
};

const MAX_EDITS = 2;

/** The candidate that `word` is a misspelling or a snake_case spelling of, if any. */
const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return candidates.find((candidate) => {
    const edits = editDistance(plain(word), plain(candidate));
    return edits <= MAX_EDITS && edits < candidate.length / 2;
  });
};

/** Levenshtein's distance: insertions, deletions and replacements. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let index = 0; index < from.length; index += 1) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (from[index] === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
};
