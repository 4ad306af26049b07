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
  readonly #makers = new Map<string, Maker>();
  readonly #onFailed: (name: string, error: unknown) => void;

  /**
   * @param onFailed told of an error that could not be made
   * @throws {InvalidOptionError} a definition is wrong, or a second one has the same name
   */
  constructor(
    definitions: readonly RemoteErrorDefinition[] = [],
    onFailed: (name: string, error: unknown) => void = () => undefined,
  ) {
    if (!Array.isArray(definitions)) throw new InvalidOptionError('errors', 'must be a list.');
    this.#onFailed = onFailed;
    // Not `forEach`: it would pass over holes.
    for (const [index, definition] of definitions.entries()) this.#add(definition, `errors[${index}]`);
  }

  /** The known error, with ours as its cause; ours when it is not known, or can not be made. */
  recreate(failure: RemoteFailure): Error {
    const name = failure.remoteName ?? '';
    const make = this.#makers.get(name);
    if (make === undefined) return failure;
    try {
      const error: unknown = make(failure);
      if (!(error instanceof Error)) throw new TypeError('what was made is no Error');
      if (error !== failure && error.cause === undefined)
        Object.defineProperty(error, 'cause', { value: failure, configurable: true, writable: true });
      return error;
    } catch (error) {
      // What the replier said must not get lost because a constructor expected something else.
      this.#onFailed(name, error);
      return failure;
    }
  }

  #add(definition: unknown, option: string): void {
    const known = read(definition);
    if (known === undefined)
      throw new InvalidOptionError(option, 'must be a class of errors, or { name, create }.');
    if (this.#makers.has(known.name)) {
      const problem = `is a second error named "${known.name}". Give one of them as { name, create }.`;
      throw new InvalidOptionError(option, problem);
    }
    this.#makers.set(known.name, known.make);
  }
}

type Maker = (failure: RemoteFailure) => unknown;

const read = (definition: unknown): { readonly name: string; readonly make: Maker } | undefined => {
  const isClass = typeof definition === 'function';
  if (!isClass && (typeof definition !== 'object' || definition === null)) return undefined;
  const { name } = definition as { readonly name?: unknown };
  const make = isClass ? classMaker(definition) : objectMaker(definition);
  return typeof name === 'string' && name !== '' && make ? { name, make } : undefined;
};

const classMaker = (value: object): Maker | undefined => {
  const { prototype } = value as { readonly prototype: unknown };
  if (!(prototype instanceof Error) && prototype !== Error.prototype) return undefined;
  // Its prototype says that it makes errors; what else its constructor wants shows when it is called.
  const ErrorClass = value as new (message: string) => Error;
  return ({ message }) => new ErrorClass(message);
};

const objectMaker = (value: object): Maker | undefined => {
  const { create } = value as { readonly create?: unknown };
  return typeof create === 'function'
    ? (failure) => Reflect.apply(create as Maker, value, [failure])
    : undefined;
};
