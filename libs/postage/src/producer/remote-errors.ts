import { InvalidOptionError, type RemoteError, type RemoteException } from '../errors.js';

/** What a replier told of its failure: `remoteName`, `message` and `fingerprint`. */
export type RemoteFailure = RemoteError | RemoteException;

/**
 * An error that callers know again when a replier names it: a class that takes a message, known by its own name, or a name
 * with a function that makes the error.
 */
export type RemoteErrorDefinition =
  | (new (message: string) => Error)
  | { readonly name: string; readonly create: (failure: RemoteFailure) => Error };

/** Makes the errors of failed calls: those that are known by the name that the replier gave, else our own. */
export class RemoteErrors {
  readonly #makers = new Map<string, (failure: RemoteFailure) => Error>();

  /** @throws {InvalidOptionError} a definition is wrong, or a second one has the same name */
  constructor(definitions: readonly RemoteErrorDefinition[] = []) {
    if (!Array.isArray(definitions)) throw new InvalidOptionError('errors', 'must be a list.');
    for (const [index, definition] of definitions.entries()) this.#add(definition, `errors[${index}]`);
  }

  /** The known error, with ours as its cause; ours when it is not known, or can not be made. */
  recreate(failure: RemoteFailure): Error {
    const make = failure.remoteName === undefined ? undefined : this.#makers.get(failure.remoteName);
    if (make === undefined) return failure;
    try {
      const error = make(failure);
      if (!(error instanceof Error)) return failure;
      if (error.cause === undefined)
        Object.defineProperty(error, 'cause', { value: failure, configurable: true, writable: true });
      return error;
    } catch {
      // What the replier said must not get lost because a constructor expected something else.
      return failure;
    }
  }

  #add(definition: RemoteErrorDefinition, option: string): void {
    const { name } = definition;
    const make = makerOf(definition);
    if (typeof name !== 'string' || name === '' || make === undefined) {
      throw new InvalidOptionError(option, 'must be a class of errors, or { name, create }.');
    }
    if (this.#makers.has(name)) {
      throw new InvalidOptionError(
        option,
        `is a second error named "${name}". Give one of them as { name, create }.`,
      );
    }
    this.#makers.set(name, make);
  }
}

const makerOf = (definition: RemoteErrorDefinition): ((failure: RemoteFailure) => Error) | undefined => {
  if (typeof definition !== 'function')
    return typeof definition.create === 'function' ? definition.create : undefined;
  return isErrorClass(definition) ? ({ message }) => new definition(message) : undefined;
};

const isErrorClass = (value: { readonly prototype: unknown }): boolean => value.prototype instanceof Error;
