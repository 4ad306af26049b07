import { describe, expect, it } from 'vitest';
import { PEERS } from './peers.js';
import { ratioKey, ratiosIn, summaryOf, type Measurement, type Track } from './results.js';
import { ratiosToKeep } from './stored-ratios.js';
import { targetsIn } from './targets.js';
import type { Metric, Sample, Work } from './works/work.js';

const metric = (id: string, better: Metric['better'], isCompared = true): Metric => ({
  id,
  title: id,
  unit: '',
  better,
  isCompared,
});

const workOf = (id: string, metrics: readonly Metric[]): Work => ({
  id,
  title: id,
  conditions: '',
  metrics,
  takes: () => true,
  open: () => Promise.reject(new Error('is not run here')),
});

const track = (id: string, samples: readonly (Sample | undefined)[]): Track => {
  const [name, variant = '1'] = id.split('@');
  const peer = PEERS.find((candidate) => candidate.id === name);
  if (peer === undefined) throw new Error(`there is no peer ${id}`);
  return { contender: { id, peer, variant: Number(variant) }, samples, failure: undefined };
};

const rates = (...values: readonly number[]): readonly Sample[] => values.map((rate) => ({ rate }));

const RATE = metric('rate', 'more');

const medians = (measurement: Measurement): Record<string, number> =>
  Object.fromEntries(
    ratiosIn(measurement).map((ratio) => [ratioKey(measurement.work, ratio), ratio.summary.median]),
  );

describe('ratiosIn', () => {
  it('compares ours with every other in the same rounds', () => {
    const tracks = [
      track('postage', rates(10, 40)),
      track('bare', rates(20, 80)),
      track('nest', rates(5, 20)),
    ];
    expect(medians({ work: workOf('rpc', [RATE]), tracks })).toEqual({
      'rpc rate postage/bare': 0.5,
      'rpc rate postage/nest': 2,
    });
  });

  it('compares equal variants, and later variants with the first one of the same peer', () => {
    const tracks = [
      track('postage@1', rates(10)),
      track('bare@1', rates(20)),
      track('postage@1000', rates(9)),
      track('bare@1000', rates(36)),
    ];
    expect(medians({ work: workOf('handlers', [RATE]), tracks })).toEqual({
      'handlers rate postage@1/bare@1': 0.5,
      'handlers rate postage@1000/bare@1000': 0.25,
      'handlers rate postage@1000/postage@1': 0.9,
      'handlers rate bare@1000/bare@1': 1.8,
    });
  });

  it('leaves out what is not to be compared, and who has failed', () => {
    const work = workOf('memory', [metric('growth', 'less', false), RATE]);
    const tracks = [
      track('postage', [{ growth: 1, rate: 1 }]),
      track('bare', [{ growth: 1, rate: 2 }]),
      track('nest', [undefined]),
    ];
    expect(medians({ work, tracks })).toEqual({ 'memory rate postage/bare': 0.5 });
  });
});

describe('summaryOf', () => {
  it('is of the rounds that gave a value', () => {
    expect(summaryOf(track('bare', [{ rate: 3 }, undefined, { rate: 5 }]), RATE)).toEqual({
      rounds: 2,
      median: 4,
      spread: 1,
    });
    expect(summaryOf(track('bare', [undefined]), RATE)).toBeUndefined();
  });
});

describe('ratiosToKeep', () => {
  it('are those to amqplib alone, and of our own variants', () => {
    const tracks = ['postage@1', 'bare@1', 'nest@1', 'postage@9', 'bare@9'].map((id) => track(id, rates(3)));
    expect(Object.keys(ratiosToKeep([{ work: workOf('handlers', [RATE]), tracks }]))).toEqual([
      'handlers rate postage@1/bare@1',
      'handlers rate postage@9/bare@9',
      'handlers rate postage@9/postage@1',
    ]);
  });

  it('are turned round where less is better: a loss is always a smaller ratio', () => {
    const work = workOf('drain', [RATE, metric('cpu', 'less')]);
    const tracks = [
      track('postage', [
        { rate: 1, cpu: 2 },
        { rate: 1, cpu: 4 },
      ]),
      track('bare', [
        { rate: 3, cpu: 1 },
        { rate: 3, cpu: 1 },
      ]),
    ];
    expect(ratiosToKeep([{ work, tracks }])).toEqual({
      'drain rate postage/bare': { rounds: 2, median: 0.3333, spread: 0 },
      'drain cpu postage/bare': { rounds: 2, median: 0.3333, spread: 0.1111 },
    });
  });
});

describe('targetsIn', () => {
  it('are those that the run can tell about', () => {
    const tracks = [track('postage', rates(95)), track('bare', rates(100))];
    const [result, ...others] = targetsIn([{ work: workOf('rpc-1-100b', [RATE]), tracks }]);
    expect(result).toMatchObject({
      key: 'rpc-1-100b rate postage/bare',
      target: 0.9,
      reached: { median: 0.95 },
    });
    expect(others).toEqual([]);
  });
});
