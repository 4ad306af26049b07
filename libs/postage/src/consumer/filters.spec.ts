import { describe, expect, it } from 'vitest';
import { applyFilters } from './filters.js';

describe('applyFilters', () => {
  it('hands the content from filter to filter, in their order, with their arguments', async () => {
    const add = (content: unknown, word: unknown): unknown => ({
      words: [...(content as { words: unknown[] }).words, word],
    });
    const filters = [
      { filter: add, args: ['a'] },
      { filter: add, args: ['b'] },
    ];
    expect(await applyFilters(filters, { words: [] })).toEqual({ words: ['a', 'b'] });
  });

  it('keeps what a filter changed in place and returned nothing for', async () => {
    const mark = (content: unknown): void => void ((content as { seen?: boolean }).seen = true);
    expect(await applyFilters([{ filter: mark, args: [] }], { a: 1 })).toEqual({ a: 1, seen: true });
  });

  it('stops at the filter that throws', async () => {
    const refuse = (): never => {
      throw new Error('no');
    };
    const never = (): never => {
      throw new Error('came too far');
    };
    await expect(
      applyFilters(
        [
          { filter: refuse, args: [] },
          { filter: never, args: [] },
        ],
        {},
      ),
    ).rejects.toThrow('no');
  });
});
