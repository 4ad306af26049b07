import { SIGMA_PER_SPREAD, type Summary } from './statistics.js';

/** Ratios by their keys. */
export type Ratios = Readonly<Record<string, Summary>>;

export interface Comparison {
  readonly key: string;
  readonly stored: Summary;
  readonly now: Summary;
  /** What may be lost. */
  readonly allowed: number;
  readonly isLoss: boolean;
}

/** How many standard deviations of a single round make a loss. */
const SIGMAS = 3;
/** Few rounds may agree by chance: so much of the stored ratio may be lost at least. */
const MIN_PART = 0.1;

/** The noise of both runs together, as their rounds have shown it. */
const allowedLoss = (stored: Summary, now: Summary): number => {
  const sigma = SIGMA_PER_SPREAD * Math.hypot(stored.spread, now.spread);
  return Math.max(SIGMAS * sigma, MIN_PART * stored.median);
};

/** Only what both have; more is better. */
export const compare = (stored: Ratios, now: Ratios): readonly Comparison[] =>
  Object.entries(now).flatMap(([key, summary]) => {
    const before = stored[key];
    if (before === undefined) return [];
    const allowed = allowedLoss(before, summary);
    return [{ key, stored: before, now: summary, allowed, isLoss: summary.median < before.median - allowed }];
  });
