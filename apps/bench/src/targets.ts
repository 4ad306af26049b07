import { ratioKey, ratiosIn, type Measurement } from './results.js';
import type { Summary } from './statistics.js';

/** What we want to reach: our rate by another's. */
export const TARGETS: Readonly<Record<string, number>> = {
  'rpc-1-100b rate postage/bare': 0.9,
  'rpc-1-100b rate postage/nest': 30,
  // The same of Nest with acks, and no other setting.
  'rpc-1-100b rate postage/nest-acks': 30,
  'rpc-1-100b rate postage/nest-tuned': 1.5,
  'rpc-100-100b rate postage/bare': 0.8,
  'rpc-100-100b rate postage/nest-tuned': 1.1,
  'publish-100-100b rate postage/bare': 0.8,
  'publish-100-100b rate postage/nest-tuned': 1.3,
  'drain-100-100b rate postage/bare': 1.2,
  'drain-100-100b rate postage/nest-tuned': 1.5,
  'drain-100-100b rate postage/golevelup': 1.5,
  'handlers rate postage@1000/postage@1': 0.95,
};

export interface TargetResult {
  readonly key: string;
  readonly target: number;
  readonly reached: Summary;
}

/** Of the targets that this run can tell about. */
export const targetsIn = (measurements: readonly Measurement[]): readonly TargetResult[] => {
  const reached = new Map(
    measurements.flatMap((measurement) =>
      ratiosIn(measurement).map((ratio) => [ratioKey(measurement.work, ratio), ratio.summary] as const),
    ),
  );
  return Object.entries(TARGETS).flatMap(([key, target]) => {
    const summary = reached.get(key);
    return summary === undefined ? [] : [{ key, target, reached: summary }];
  });
};
