import { OURS, versionsOf, type PeerDefinition } from '../peers.js';
import type { Comparison, Verdict } from '../check.js';
import { ratiosIn, summaryOf, type Measurement, type Ratio } from '../results.js';
import type { TargetResult } from '../targets.js';
import type { Metric } from '../works/work.js';
import type { Environment } from './environment.js';
import { shortNumber, withSpread } from './numbers.js';
import type { Table } from './table.js';

/** A title, what belongs to it, and a table. */
export interface Section {
  readonly title: string;
  readonly notes: readonly string[];
  readonly table: Table;
}

interface Column {
  readonly head: string;
  readonly cell: (contender: string) => string;
}

/** Ours by this one's, beside its value. */
const ratioColumn = (ratios: readonly Ratio[], metric: Metric): readonly Column[] => {
  const own = ratios.filter((ratio) => ratio.metric === metric && !isVariantRatio(ratio));
  const cell = (contender: string): string => {
    const ratio = own.find(({ to }) => to === contender);
    return ratio === undefined ? '' : withSpread(ratio.summary);
  };
  return own.length === 0 ? [] : [{ head: `${OURS} / it`, cell }];
};

/** A later variant by the first one of the same peer. */
const variantColumn = (ratios: readonly Ratio[], metric: Metric): readonly Column[] => {
  const own = ratios.filter((ratio) => ratio.metric === metric && isVariantRatio(ratio));
  const cell = (contender: string): string => {
    const ratio = own.find(({ of }) => of === contender);
    return ratio === undefined ? '' : withSpread(ratio.summary);
  };
  const [first] = own;
  return first === undefined ? [] : [{ head: `by its @${first.to.split('@')[1] ?? ''}`, cell }];
};

const isVariantRatio = ({ of, to }: Ratio): boolean => of.split('@')[0] === to.split('@')[0];

const columnsOf = (measurement: Measurement): readonly Column[] => {
  const ratios = ratiosIn(measurement);
  return measurement.work.metrics.flatMap((metric) => {
    const value = (contender: string): string => {
      const track = measurement.tracks.find(({ contender: { id } }) => id === contender);
      const summary = track === undefined ? undefined : summaryOf(track, metric);
      return summary === undefined ? 'failed' : withSpread(summary);
    };
    return [
      { head: `${metric.title}, ${metric.unit}`, cell: value },
      ...ratioColumn(ratios, metric),
      ...variantColumn(ratios, metric),
    ];
  });
};

export const workSection = (measurement: Measurement): Section => {
  const columns = columnsOf(measurement);
  const { work, tracks } = measurement;
  return {
    title: `${work.id}: ${work.title}`,
    notes: [work.conditions],
    table: [
      ['peer', ...columns.map(({ head }) => head)],
      ...tracks.map(({ contender: { id } }) => [id, ...columns.map(({ cell }) => cell(id))]),
    ],
  };
};

export const targetSection = (targets: readonly TargetResult[]): Section => ({
  title: 'Targets',
  notes: [],
  table: [
    ['ratio', 'reached', 'target', ''],
    ...targets.map(({ key, target, reached }) => [
      key,
      withSpread(reached),
      shortNumber(target),
      reached.median >= target ? 'met' : 'missed',
    ]),
  ],
});

const VERDICTS: Readonly<Record<Verdict, string>> = {
  fine: 'fine',
  loss: 'LOSS',
  noisy: 'too noisy to tell',
};

export const checkSection = (comparisons: readonly Comparison[]): Section => ({
  title: 'Compared with the stored ratios',
  notes: [],
  table: [
    ['ratio', 'stored', 'now', 'may fall to', ''],
    ...comparisons.map(({ key, stored, now, allowed, verdict }) => [
      key,
      withSpread(stored),
      withSpread(now),
      shortNumber(stored.median - allowed),
      VERDICTS[verdict],
    ]),
  ],
});

export const environmentSection = (
  environment: Environment,
  peers: readonly PeerDefinition[],
  pace: string,
): Section => ({
  title: 'Run',
  notes: [...Object.entries(environment).map(([name, value]) => `${name}: ${value}`), `rounds: ${pace}`],
  table: [
    ['peer', 'versions', 'settings'],
    ...peers.map((peer) => [peer.id, versionsOf(peer).join(', '), peer.settings]),
  ],
});
