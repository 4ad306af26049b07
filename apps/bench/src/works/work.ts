import type { PeerDefinition } from '../peers.js';
import type { Stage } from '../run/stage.js';

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Whether ours is compared with those of the others. */
  readonly isCompared: boolean;
}

/** What one round has measured, by the ids of the metrics. */
export type Sample = Readonly<Record<string, number>>;

/** One peer at one work, in one of its variants where the work has variants. */
export interface Contender {
  /** For example `postage`, or `postage@1000`. */
  readonly id: string;
  readonly peer: PeerDefinition;
  readonly variant: number;
}

/** Measures once. */
export type Round = () => Promise<Sample>;

export interface Work {
  readonly id: string;
  readonly title: string;
  /** What every peer is given. */
  readonly conditions: string;
  readonly metrics: readonly Metric[];
  /** For example how many handlers: each is measured, in the same rounds. */
  readonly variants?: readonly number[];
  readonly takes: (peer: PeerDefinition) => boolean;
  /** Of the rounds that were asked for, so many make sense. */
  readonly maxRounds?: number;
  /** Part of `--quick`. */
  readonly isQuick?: boolean;
  /** Starts what all rounds of a contender have in common, and warms it up. What it starts ends with the stage. */
  readonly open: (stage: Stage, contender: Contender) => Promise<Round>;
}

export const contendersOf = (work: Work, peers: readonly PeerDefinition[]): readonly Contender[] =>
  (work.variants ?? [undefined]).flatMap((variant) =>
    peers
      .filter((peer) => work.takes(peer))
      .map((peer) => ({
        id: variant === undefined ? peer.id : `${peer.id}@${variant}`,
        peer,
        variant: variant ?? 1,
      })),
  );

/** Until the engine has compiled what runs often; many at a time are as good for that, and quicker. */
export const WARM_UP = { inFlight: 100, parameterBytes: 100, count: 20_000, seconds: 3 };
/** Before each round: meanwhile others have had the processor and its caches. */
export const LEAD_IN = { seconds: 0.2 };

export const everybody = ({ only }: PeerDefinition): boolean => only === undefined;

/** A consumer that does not acknowledge does less, and would only look faster. */
export const whoeverAcks = (peer: PeerDefinition): boolean => peer.acks && everybody(peer);

const SIZES = [
  [1_048_576, 'mb'],
  [1_024, 'kb'],
] as const;

/** For ids of works: `100b`, `1kb`, `1mb`. */
export const sizeName = (bytes: number): string => {
  const [unit, name] = SIZES.find(([size]) => bytes >= size && bytes % size === 0) ?? [1, 'b'];
  return `${bytes / unit}${name}`;
};

/** For titles: `100 B`, `1 KB`, `1 MB`. */
export const sizeTitle = (bytes: number): string =>
  sizeName(bytes).replace(
    /^(?<number>\d+)(?<unit>\w+)$/,
    (_, number: string, unit: string) => `${number} ${unit.toUpperCase()}`,
  );

export const rate = (unit: string): Metric => ({
  id: 'rate',
  title: 'rate',
  unit,
  better: 'more',
  isCompared: true,
});

export const cpu = (id: string, title: string): Metric => ({
  id,
  title: `processor time, ${title}`,
  unit: 'µs each',
  better: 'less',
  isCompared: true,
});
