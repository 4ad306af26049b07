/** Time as a `MemoryBroker` sees it; everything that expires goes by it. */
export interface MemoryClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `task` later without keeping the process alive; returns the way to call it off. */
  after(delayMs: number, task: () => void): () => void;
}

/** Looks the globals up at each call, so that a test's fake timers drive expirations. */
export const systemClock: MemoryClock = {
  now: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
