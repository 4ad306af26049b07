import { afterEach, beforeEach } from 'vitest';

/** Every rejection of the present test that nobody has handled. */
export const useUnhandledRejections = (): readonly unknown[] => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', note);
  });
  afterEach(() => {
    process.off('unhandledRejection', note);
  });
  return unhandled;
};
