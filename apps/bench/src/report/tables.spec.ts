import { describe, expect, it } from 'vitest';
import { PEERS } from '../peers.js';
import { shortNumber, withSpread } from './numbers.js';
import { markdownTable, plainTable } from './table.js';
import { workSection } from './tables.js';

describe('shortNumber', () => {
  it.for([
    [12_345.6, '12,346'],
    [999.5, '1,000'],
    [123.4, '123'],
    [12.34, '12.3'],
    [1.234, '1.23'],
    [-0.5, '-0.50'],
  ] as const)('writes %s as %s', ([value, text]) => {
    expect(shortNumber(value)).toBe(text);
  });
});

describe('withSpread', () => {
  it('adds the spread as a part of the median', () => {
    expect(withSpread({ rounds: 5, median: 2_000, spread: 100 })).toBe('2,000 ± 5 %');
    expect(withSpread({ rounds: 5, median: 2, spread: 0.01 })).toBe('2.00 ± 0.5 %');
  });

  it('is the value alone when there was one round', () => {
    expect(withSpread({ rounds: 1, median: 2_000, spread: 0 })).toBe('2,000');
  });
});

const TABLE = [
  ['', 'rate', 'settings'],
  ['postage', '1,000', 'defaults'],
  ['bare', '20', 'none'],
];

describe('plainTable', () => {
  it('puts numbers to the right and words to the left', () => {
    expect(plainTable(TABLE)).toBe(
      ['             rate   settings', '  postage   1,000   defaults', '  bare         20   none'].join('\n'),
    );
  });
});

describe('markdownTable', () => {
  it('is a table of Markdown', () => {
    expect(markdownTable(TABLE)).toBe(
      [
        '|  | rate | settings |',
        '| --- | ---: | --- |',
        '| postage | 1,000 | defaults |',
        '| bare | 20 | none |',
      ].join('\n'),
    );
  });
});

describe('workSection', () => {
  it('has the value of each contender, ours by it, and a later variant by its first one', () => {
    const contenders = ['postage@1', 'bare@1', 'postage@9', 'bare@9'];
    const values = [10, 20, 5, undefined];
    const section = workSection({
      work: {
        id: 'handlers',
        title: 'many handlers',
        conditions: 'equal for all',
        metrics: [{ id: 'rate', title: 'rate', unit: 'messages/s', better: 'more', isCompared: true }],
        takes: () => true,
        open: () => Promise.reject(new Error('is not run here')),
      },
      tracks: contenders.map((id, index) => {
        const [name = '', variant] = id.split('@');
        const peer = PEERS.find((candidate) => candidate.id === name);
        if (peer === undefined) throw new Error(`there is no peer ${name}`);
        const rate = values[index];
        const samples = rate === undefined ? [undefined] : [{ rate }];
        return { contender: { id, peer, variant: Number(variant) }, samples, failure: undefined };
      }),
    });
    expect(section.title).toBe('handlers: many handlers');
    expect(section.table).toEqual([
      ['peer', 'rate, messages/s', 'postage / it', 'by its @1'],
      ['postage@1', '10.0', '', ''],
      ['bare@1', '20.0', '0.50', ''],
      ['postage@9', '5.00', '', '0.50'],
      ['bare@9', 'failed', '', ''],
    ]);
  });
});
