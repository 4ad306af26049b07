import { isRecord } from './body.js';

/** The name and text of whatever was thrown, as an exception result carries them. Never a stack. */
export interface ThrownFacts {
  readonly name: string;
  readonly message: string;
}

/**
 * Describes whatever was thrown; never throws itself.
 *
 * The name is that of the class; `error.name` when the class is a plain `Error` or has no name; `Error` for anything
 * that is no error. Errors of another realm (as in test runners) are known by their string `message`.
 */
export function describeThrown(thrown: unknown): ThrownFacts {
  try {
    return isErrorLike(thrown)
      ? { name: classNameOf(thrown), message: textOf(thrown['message'] ?? '') }
      : { name: 'Error', message: textOf(thrown) };
  } catch {
    // A getter, a proxy or a toString that throws.
    return { name: 'Error', message: 'something that can not be described was thrown' };
  }
}

/** The text of a function would be its source, which is nobody's business over there. */
const textOf = (value: unknown): string =>
  typeof value === 'function' ? `function ${value.name}` : String(value);

const isErrorLike = (thrown: unknown): thrown is Readonly<Record<string, unknown>> =>
  thrown instanceof Error || (isRecord(thrown) && typeof thrown['message'] === 'string');

const classNameOf = (error: Readonly<Record<string, unknown>>): string => {
  // Data may have a `constructor` of its own that is no function, or none at all.
  const className: unknown = (error['constructor'] as { readonly name?: unknown } | undefined)?.name;
  if (isName(className) && className !== 'Error' && className !== 'Object') return className;
  return isName(error['name']) ? error['name'] : 'Error';
};

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
