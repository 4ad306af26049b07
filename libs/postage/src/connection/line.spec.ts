import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Line } from './line.js';

describe('Line', () => {
  it('lets out what came first, and shows it before', () => {
    const line = new Line<{ id: string }>();
    expect([line.first, line.shift()]).toEqual([undefined, undefined]);
    line.push({ id: 'a' });
    line.push({ id: 'b' });
    expect(line.first).toEqual({ id: 'a' });
    expect([line.shift(), line.first, line.shift(), line.first]).toEqual([
      { id: 'a' },
      { id: 'b' },
      { id: 'b' },
      undefined,
    ]);
  });

  it('can be emptied, and used again', () => {
    const line = new Line<{ id: number }>();
    for (const id of [1, 2, 3]) line.push({ id });
    line.shift();
    line.clear();
    expect(line.shift()).toBeUndefined();
    line.push({ id: 4 });
    expect(line.shift()).toEqual({ id: 4 });
  });

  it('does as a list does, however long it becomes and however much has left', () => {
    // So many that those who stand in line move up several times.
    const steps = fc.array(fc.integer({ min: -3_000, max: 3_000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(steps, (amounts) => {
        const [line, list] = [new Line<{ id: number }>(), [] as { id: number }[]];
        let id = 0;
        for (const amount of amounts) {
          for (let count = amount; count > 0; count -= 1) {
            const item = { id: (id += 1) };
            line.push(item);
            list.push(item);
          }
          const left = Array.from({ length: Math.max(0, -amount) }, () => line.shift());
          expect(left.filter((item) => item !== undefined)).toEqual(list.splice(0, Math.max(0, -amount)));
          expect(line.first).toBe(list[0]);
        }
      }),
      { numRuns: 50 },
    );
  });
});
