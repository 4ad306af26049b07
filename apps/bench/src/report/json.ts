import type { PeerDefinition } from '../peers.js';
import { versionsOf } from '../peers.js';
import { ratiosIn, summaryOf, type Measurement } from '../results.js';
import type { Environment } from './environment.js';

export interface Report {
  readonly environment: Environment;
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly PeerDefinition[];
  readonly measurements: readonly Measurement[];
}

const workOf = (measurement: Measurement): unknown => {
  const { work, tracks } = measurement;
  return {
    id: work.id,
    title: work.title,
    conditions: work.conditions,
    metrics: work.metrics,
    contenders: tracks.map((track) => ({
      id: track.contender.id,
      failure: track.failure,
      summaries: Object.fromEntries(work.metrics.map((metric) => [metric.id, summaryOf(track, metric)])),
      samples: track.samples,
    })),
    ratios: ratiosIn(measurement).map(({ metric, of, to, summary }) => ({
      metric: metric.id,
      of,
      to,
      ...summary,
    })),
  };
};

/** Everything that was measured, each round by itself. */
export const jsonOf = ({ peers, measurements, ...rest }: Report): unknown => ({
  ...rest,
  peers: peers.map((peer) => ({ id: peer.id, settings: peer.settings, versions: versionsOf(peer) })),
  works: measurements.map(workOf),
});
