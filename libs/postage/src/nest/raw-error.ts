import { Catch, type ExceptionFilter } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { currentScope } from '../connection/causation.js';

/**
 * Nest replaces an error that no exception filter takes by `{ status: 'error', message: 'Internal server error' }`, and the
 * original is gone. This class is the only thing that sees it: Nest asks every registered filter `error instanceof X`,
 * and this X notes the error and says no, so that filters of the user are chosen as if it were not there.
 */
class Anything {
  static [Symbol.hasInstance](error: unknown): boolean {
    const scope = currentScope();
    if (scope) scope.thrown = { raw: error };
    return false;
  }
}

@Catch(Anything)
class NoteRawError implements ExceptionFilter {
  /** Never called: nothing is an instance of Anything. */
  catch(error: unknown): never {
    throw error;
  }
}

const RAW_ERROR_FILTER = new NoteRawError();

const FILTERS_METADATA = '__exceptionFilters__';
const PATTERN_METADATA = 'microservices:pattern';

/**
 * Has the errors of one handler method noted. Nest asks the filters of a method from the last to the first, so ours is
 * moved to the end: behind a filter that takes every error it would never be asked.
 */
export const noteErrorsOf = (method: object): void => {
  const filters = (Reflect.getMetadata(FILTERS_METADATA, method) as readonly unknown[] | undefined) ?? [];
  const others = filters.filter((filter) => filter !== RAW_ERROR_FILTER);
  Reflect.defineMetadata(FILTERS_METADATA, [...others, RAW_ERROR_FILTER], method);
};

const scanner = new MetadataScanner();

/** The same for every handler method of a class, those of Nest's own decorators included. */
export const noteErrorsOfClass = (prototype: object): void => {
  for (const name of scanner.getAllMethodNames(prototype)) {
    const method = (prototype as Record<string, object>)[name];
    if (method && Reflect.hasMetadata(PATTERN_METADATA, method)) noteErrorsOf(method);
  }
};
