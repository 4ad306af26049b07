import { SIGMA_PER_SPREAD, type Summary } from './statistics.js';

/** Ratios by their keys. */
export type Ratios = Readonly<Record<string, Summary>>;

/** `noisy`: no loss, but one would have to be large to be seen. */
export type Verdict = 'fine' | 'loss' | 'noisy';

export interface Comparison {
  readonly key: string;
  readonly stored: Summary;
  readonly now: Summary;
  /** What may be lost. */
  readonly allowed: number;
  readonly verdict: Verdict;
}

/** How many standard deviations of a single round make a loss. */
const SIGMAS = 3;
/** Few rounds may agree by chance: so much of the stored ratio may be lost at least. */
const MIN_PART = 0.1;
/** Where more than that may be lost, nothing is said for sure. */
const NOISY_PART = 1 / 3;

/** The noise of both runs together, as their rounds have shown it. */
const allowedLoss = (stored: Summary, now: Summary): number => {
  const sigma = SIGMA_PER_SPREAD * Math.hypot(stored.spread, now.spread);
  return Math.max(SIGMAS * sigma, MIN_PART * stored.median);
};

const compareOne = (key: string, stored: Summary, now: Summary): Comparison => {
  const allowed = allowedLoss(stored, now);
  const isLoss = now.median < stored.median - allowed;
  const isNoisy = allowed > NOISY_PART * stored.median;
  return { key, stored, now, allowed, verdict: isLoss ? 'loss' : isNoisy ? 'noisy' : 'fine' };
};

/** Only what both have; more is better. */
export const compare = (stored: Ratios, now: Ratios): readonly Comparison[] =>
  Object.entries(now).flatMap(([key, summary]) => {
    const before = stored[key];
    return before === undefined ? [] : [compareOne(key, before, summary)];
  });
