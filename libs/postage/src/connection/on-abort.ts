type Listener = (reason: unknown) => void;

/** One listener at each signal, whoever listens: Node warns of a leak where a signal has more than ten. */
const listening = new WeakMap<AbortSignal, Set<Listener>>();

/**
 * Calls back once when the signal aborts, at once where it has aborted already; returns the way to stop that. A signal
 * that is shared by a thousand calls, such as one for the shutdown of an application, has one listener.
 */
export const onAbort = (signal: AbortSignal | undefined, listener: Listener): (() => void) => {
  if (signal === undefined) return nothingToStop;
  if (signal.aborted) {
    listener(signal.reason);
    return nothingToStop;
  }
  const listeners = listening.get(signal) ?? listenTo(signal);
  // A function that is given twice is called twice.
  const own: Listener = (reason) => listener(reason);
  listeners.add(own);
  return () => {
    if (listeners.delete(own) && listeners.size === 0) forget(signal);
  };
};

const nothingToStop = (): void => undefined;

const listenTo = (signal: AbortSignal): Set<Listener> => {
  const listeners = new Set<Listener>();
  listening.set(signal, listeners);
  signal.addEventListener('abort', tellAll, { once: true });
  return listeners;
};

const forget = (signal: AbortSignal): void => {
  listening.delete(signal);
  signal.removeEventListener('abort', tellAll);
};

function tellAll(this: AbortSignal): void {
  const listeners = listening.get(this) ?? [];
  listening.delete(this);
  for (const listener of listeners) listener(this.reason);
}
