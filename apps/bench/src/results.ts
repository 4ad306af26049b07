import { OURS } from './peers.js';
import { ratiosOf, summarize, type Summary } from './statistics.js';
import type { Contender, Metric, Sample, Work } from './works/work.js';

/** What one contender has reached, a sample for each round; undefined where it had failed. */
export interface Track {
  readonly contender: Contender;
  readonly samples: readonly (Sample | undefined)[];
  readonly failure: string | undefined;
}

export interface Measurement {
  readonly work: Work;
  readonly tracks: readonly Track[];
}

/** Two contenders in the same rounds. */
export interface Ratio {
  readonly metric: Metric;
  readonly of: string;
  readonly to: string;
  readonly summary: Summary;
}

const valuesOf = ({ samples }: Track, metric: Metric): readonly (number | undefined)[] =>
  samples.map((sample) => sample?.[metric.id]);

/** Undefined when no round has given a value. */
export const summaryOf = (track: Track, metric: Metric): Summary | undefined => {
  const values = valuesOf(track, metric).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : summarize(values);
};

const isOurs = ({ contender }: Track): boolean => contender.peer.id === OURS;

/** Ours by each other's in the same variant, and every later variant by the first one of the same peer. */
const pairsOf = (tracks: readonly Track[]): readonly (readonly [Track, Track])[] => {
  const byPeer = tracks
    .filter(isOurs)
    .flatMap((ours) =>
      tracks
        .filter((other) => !isOurs(other) && other.contender.variant === ours.contender.variant)
        .map((other) => [ours, other] as const),
    );
  const byVariant = tracks.flatMap((track) => {
    const first = tracks.find(({ contender }) => contender.peer.id === track.contender.peer.id);
    return first === undefined || first === track ? [] : [[track, first] as const];
  });
  return [...byPeer, ...byVariant];
};

export const ratiosIn = ({ work, tracks }: Measurement): readonly Ratio[] =>
  work.metrics
    .filter(({ isCompared }) => isCompared)
    .flatMap((metric) =>
      pairsOf(tracks).flatMap(([ours, other]) => {
        const values = ratiosOf(valuesOf(ours, metric), valuesOf(other, metric));
        if (values.length === 0) return [];
        return [{ metric, of: ours.contender.id, to: other.contender.id, summary: summarize(values) }];
      }),
    );

/** What a ratio is stored under, for example `rpc-1-100b rate postage/bare`. */
export const ratioKey = ({ id }: Work, { metric, of, to }: Pick<Ratio, 'metric' | 'of' | 'to'>): string =>
  `${id} ${metric.id} ${of}/${to}`;
