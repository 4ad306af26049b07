import { describe, expect, it } from 'vitest';
import { RemoteError, RemoteException } from '../errors.js';
import { RemoteErrors, type RemoteErrorDefinition } from './remote-errors.js';

class NotFound extends Error {
  override readonly name = 'NotFound';
}
class Conflict extends TypeError {}

const refusal = (remoteName?: string): RemoteError =>
  new RemoteError('no such thing', { name: 'shop' }, remoteName);
const exception = (remoteName: string): RemoteException =>
  new RemoteException(remoteName, 'it broke', { name: 'shop' });

/** What is wrong with these definitions. */
const problemOf = (definitions: unknown): unknown => {
  try {
    return new RemoteErrors(definitions as RemoteErrorDefinition[]);
  } catch (error) {
    return error;
  }
};
const invalid = (option: string, text = ''): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', option, message: expect.stringContaining(text) });

describe('RemoteErrors', () => {
  it('makes an error of the class that the replier named, of refusals and of exceptions', () => {
    const errors = new RemoteErrors([NotFound, Conflict]);
    const known = errors.recreate(refusal('NotFound'));
    expect(known).toBeInstanceOf(NotFound);
    expect(known.message).toBe('no such thing');
    expect(errors.recreate(exception('Conflict'))).toBeInstanceOf(Conflict);
    expect(errors.recreate(exception('Conflict')).message).toBe('it broke');
  });

  it('keeps what was known of the failure as the cause', () => {
    const failure = refusal('NotFound');
    const error = new RemoteErrors([NotFound]).recreate(failure);
    expect(error.cause).toBe(failure);
    // As the option of an Error's constructor would have it.
    expect(Object.getOwnPropertyDescriptor(error, 'cause')?.enumerable).toBe(false);
  });

  it('makes an error by a function, and gives it all that the replier told', () => {
    const seen: unknown[] = [];
    const create = (failure: RemoteError | RemoteException): Error => {
      seen.push(failure);
      return new RangeError(`${failure.remoteName}: ${failure.message}`);
    };
    const failure = exception('KeyError');
    const error = new RemoteErrors([{ name: 'KeyError', create }]).recreate(failure);
    expect(seen).toEqual([failure]);
    expect([error.message, error.cause]).toEqual(['KeyError: it broke', failure]);
    expect(error).toBeInstanceOf(RangeError);
  });

  it('calls the function as a method of its definition', () => {
    class Known {
      readonly name = 'KeyError';
      readonly prefix = 'there: ';
      create({ message }: { readonly message: string }): Error {
        return new RangeError(this.prefix + message);
      }
    }
    expect(new RemoteErrors([new Known()]).recreate(exception('KeyError')).message).toBe('there: it broke');
  });

  it('leaves a cause that the function has given', () => {
    const cause = new Error('the true reason');
    const create = (): Error => new Error('wrapped', { cause });
    const error = new RemoteErrors([{ name: 'KeyError', create }]).recreate(exception('KeyError'));
    expect(error.cause).toBe(cause);
  });

  it('makes no error its own cause where the function gives the failure back', () => {
    const failure = refusal('NotFound');
    const told: unknown[] = [];
    const definition = { name: 'NotFound', create: (given: RemoteError | RemoteException) => given };
    const errors = new RemoteErrors([definition], (...args) => told.push(args));
    expect(errors.recreate(failure)).toBe(failure);
    expect([failure.cause, told]).toEqual([undefined, []]);
  });

  it.each([
    ['of another name', refusal('Other')],
    ['without a name', refusal()],
    ['of a name that every object has', refusal('constructor')],
    ['of an exception that is not known', exception('ValueError')],
  ])('leaves a failure %s as it is', (_, failure) => {
    expect(new RemoteErrors([NotFound]).recreate(failure)).toBe(failure);
    expect(new RemoteErrors().recreate(failure)).toBe(failure);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('not with this text');
      },
    ],
    ['returns nothing', () => undefined],
    ['returns a text', () => 'NotFound'],
    ['returns something like an error', () => ({ name: 'NotFound', message: 'x' })],
    ['returns an error that can not be changed', () => Object.freeze(new Error('x'))],
  ])('falls back to the failure as it is when the function %s, and tells why', (_, create) => {
    const failure = refusal('NotFound');
    const definition = { name: 'NotFound', create: create as () => Error };
    const told: unknown[] = [];
    const errors = new RemoteErrors([definition], (...args) => told.push(args));
    expect(errors.recreate(failure)).toBe(failure);
    expect(told).toEqual([['NotFound', expect.any(Error)]]);
    expect(new RemoteErrors([definition]).recreate(failure)).toBe(failure);
  });

  it('falls back to the failure as it is when the constructor expects something else', () => {
    class Strict extends Error {
      constructor(message: string, details?: { readonly id: string }) {
        if (details === undefined) throw new TypeError('details are missing');
        super(message);
      }
    }
    const failure = refusal('Strict');
    expect(new RemoteErrors([Strict]).recreate(failure)).toBe(failure);
  });
});

describe('RemoteErrors, of definitions', () => {
  it('are known by a static name, where the class has one', () => {
    class PythonKeyError extends Error {
      static override readonly name = 'KeyError';
    }
    const errors = new RemoteErrors([PythonKeyError]);
    expect(errors.recreate(exception('KeyError'))).toBeInstanceOf(PythonKeyError);
    expect(errors.recreate(exception('PythonKeyError'))).not.toBeInstanceOf(PythonKeyError);
  });

  it('may be Error itself, for what is thrown as a plain one elsewhere', () => {
    const failure = exception('Error');
    const error = new RemoteErrors([Error]).recreate(failure);
    expect([error.constructor, error.message, error.cause]).toEqual([Error, 'it broke', failure]);
  });

  it('refuses a second one of the same name, naming it and the name', () => {
    const create = (): Error => new Error('x');
    expect(problemOf([NotFound, Conflict, NotFound])).toEqual(invalid('errors[2]', '"NotFound"'));
    expect(problemOf([NotFound, { name: 'NotFound', create }])).toEqual(invalid('errors[1]', '"NotFound"'));
    expect(problemOf([NotFound, { name: 'NotFound2', create }])).toBeInstanceOf(RemoteErrors);
  });

  it.for<[string, unknown]>([
    ['a class that is none of errors', class NoError {}],
    ['an arrow function', (text: string) => new Error(text)],
    [
      'an ordinary function',
      function make(text: string) {
        return new Error(text);
      },
    ],
    ['a class without a name', class extends Error {}],
    ['an error', new NotFound('x')],
    ['a name', 'NotFound'],
    ['a number', 5],
    ['nothing, as a circular import gives', undefined],
    ['null', null],
    ['an object without create', { name: 'NotFound' }],
    ['an object whose create is no function', { name: 'NotFound', create: 'Error' }],
    ['an object without a name', { create: () => new Error('x') }],
    ['an object with an empty name', { name: '', create: () => new Error('x') }],
    ['an object whose name is no text', { name: 5, create: () => new Error('x') }],
  ])('refuses %s, naming it', ([, definition]) => {
    expect(problemOf([Conflict, definition])).toEqual(invalid('errors[1]', 'class of errors'));
  });

  it('refuses a hole in the list', () => {
    const holes: unknown[] = Object.assign([], { 1: NotFound });
    expect(problemOf(holes)).toEqual(invalid('errors[0]'));
  });

  it.each([{ 0: NotFound }, NotFound, null, 'NotFound'])('refuses what is no list: %o', (definitions) => {
    expect(problemOf(definitions)).toEqual(invalid('errors', 'list'));
  });
});
