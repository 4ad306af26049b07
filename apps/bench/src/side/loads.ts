import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs, cpuMicros } from './clock.js';
import { parametersOf, type WorkParameters } from './peer.js';
import type { Commands, Load, LoadResult } from './protocol.js';

type Once = (parameters: WorkParameters) => Promise<unknown>;

const TICK_MS = 1;

/** So many at a time, each followed by the next one, until the time is over or enough are done. All have ended then. */
export const closedLoop = async (once: Once, load: Load): Promise<LoadResult> => {
  const { inFlight, seconds = Infinity, count: limit = Infinity } = load;
  const parameters = parametersOf(load.parameterBytes);
  const startedAtMs = clockMs();
  const cpuAtStart = cpuMicros();
  const endMs = startedAtMs + seconds * 1_000;
  let begun = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (begun < limit && clockMs() < endMs) {
      begun += 1;
      // One after the other is what a worker is for.
      await once(parameters);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { count: done, elapsedMs: clockMs() - startedAtMs, cpuMicros: cpuMicros() - cpuAtStart };
};

/** Each message says when it was sent. What a late tick has missed is sent at once. */
export const steadyPace = async (
  once: Once,
  { perSecond, seconds, parameterBytes }: Commands['pace']['request'],
): Promise<Commands['pace']['response']> => {
  const { text } = parametersOf(parameterBytes - ',"sentAtMs":1234567.123456'.length);
  const startedAtMs = clockMs();
  const total = Math.round(perSecond * seconds);
  const confirms: Promise<unknown>[] = [];
  while (confirms.length < total) {
    const due = Math.min(total, Math.floor(((clockMs() - startedAtMs) * perSecond) / 1_000));
    while (confirms.length < due) confirms.push(once({ text, sentAtMs: clockMs() }));
    await sleep(TICK_MS);
  }
  const elapsedMs = clockMs() - startedAtMs;
  await Promise.all(confirms);
  return { count: total, elapsedMs };
};
