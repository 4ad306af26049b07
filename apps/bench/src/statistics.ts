/** The value below which this part of the sorted values lies, interpolated. */
export const quantile = (sorted: readonly number[], part: number): number => {
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
};

export const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

/** What a number of rounds has given. */
export interface Summary {
  readonly rounds: number;
  readonly median: number;
  /** The median distance from the median: half of the rounds are not farther away. */
  readonly spread: number;
}

export const summarize = (values: readonly number[]): Summary => {
  const middle = median(values);
  const spread = median(values.map((value) => Math.abs(value - middle)));
  return { rounds: values.length, median: middle, spread };
};

/** A spread as a standard deviation, were the values distributed normally. */
export const SIGMA_PER_SPREAD = 1.4826;

/**
 * Each round's value of one as a ratio to the other's in the same round: what changes from one round to the next hits
 * both. A round that lacks one of them counts for nothing.
 */
export const ratiosOf = (
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): readonly number[] =>
  ours.flatMap((our, round) => {
    const their = theirs[round];
    return our === undefined || their === undefined || their === 0 ? [] : [our / their];
  });
