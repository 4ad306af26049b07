import { AsyncLocalStorage } from 'node:async_hooks';
import { Catch, type ExceptionFilter } from '@nestjs/common';

/** Where the error of one handler run is noted. */
export interface ErrorSlot {
  error?: { readonly raw: unknown };
}

const currentSlot = new AsyncLocalStorage<ErrorSlot>();

/**
 * Nest replaces an error that no exception filter takes by `{ status: 'error', message: 'Internal server error' }`, and the
 * original is gone. This class is the only thing that sees it: Nest asks every registered filter `error instanceof X`,
 * and this X notes the error and says no, so that filters of the user are chosen as if it were not there.
 */
class Anything {
  static [Symbol.hasInstance](error: unknown): boolean {
    const slot = currentSlot.getStore();
    if (slot) slot.error = { raw: error };
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

/** Stands among the filters of every handler method of ours. */
export const RAW_ERROR_FILTER = new NoteRawError();

/** Runs a handler so that the error it ends with can be read from the slot. */
export const noteRawError = <T>(slot: ErrorSlot, run: () => T): T => currentSlot.run(slot, run);
