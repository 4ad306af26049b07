import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { KeptBytes, type Kept } from './kept-bytes.js';

const PAGE_BYTES = 800;
/** Larger ones stand alone. */
const LARGEST = PAGE_BYTES / 8;

const filled = (length: number, value: number): Buffer => Buffer.alloc(length, value);

describe('KeptBytes', () => {
  it('gives back what was kept, whatever else comes and goes', () => {
    const step = fc.oneof(
      fc.record({ length: fc.integer({ min: 0, max: 2 * LARGEST }) }),
      // Mostly the oldest one goes.
      fc.record({ release: fc.oneof(fc.constant(0), fc.nat(200)) }),
      fc.constant('trim' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const bytes = new KeptBytes(PAGE_BYTES);
        const held: { kept: Kept; content: Buffer }[] = [];
        steps.forEach((each, index) => {
          if (each === 'trim') bytes.trim();
          else if ('length' in each) {
            const content = filled(each.length, index);
            held.push({ kept: bytes.keep(content), content });
          } else held.splice(each.release, 1)[0]?.kept.release();
          for (const { kept, content } of held) {
            expect(kept.bytes).toBe(content.length);
            if (!kept.read().equals(content)) throw new Error('it is something else');
          }
        });
      }),
      { numRuns: 200 },
    );
  });

  it.for([LARGEST, LARGEST + 1])('keeps no part of what it was given (%i bytes)', (length) => {
    const source = filled(10 * LARGEST, 1);
    const kept = new KeptBytes(PAGE_BYTES).keep(source.subarray(0, length));
    source.fill(2);
    expect(kept.read()).toEqual(filled(length, 1));
  });

  it('gives copies, which stay what they are', () => {
    const bytes = new KeptBytes(PAGE_BYTES);
    const kept = bytes.keep(filled(10, 1));
    const read = kept.read();
    kept.release();
    bytes.keep(filled(10, 2));
    expect(read).toEqual(filled(10, 1));
  });

  it.for([10, LARGEST + 1])(
    'can be asked to let go twice, and gives nothing after that (%i bytes)',
    (length) => {
      const bytes = new KeptBytes(PAGE_BYTES);
      const [one, other] = [bytes.keep(filled(length, 1)), bytes.keep(filled(length, 2))];
      one.release();
      one.release();
      expect(other.read()).toEqual(filled(length, 2));
      expect(() => one.read()).toThrow('let go');
    },
  );

  it('has two pages for any number that come and go in order, and one for a single one', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    onTestFinished(() => allocate.mockRestore());
    const bytes = new KeptBytes(PAGE_BYTES);
    const held: Kept[] = [];
    for (let n = 0; n < 1_000; n += 1) {
      held.push(bytes.keep(filled(LARGEST, n)));
      if (held.length > 8) held.shift()?.release();
    }
    expect(allocate).toHaveBeenCalledTimes(2);

    allocate.mockClear();
    const others = new KeptBytes(PAGE_BYTES);
    for (let n = 0; n < 100; n += 1) others.keep(filled(LARGEST, n)).release();
    expect(allocate).toHaveBeenCalledTimes(1);
  });

  it('gives back what nothing is in, and nothing else', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    onTestFinished(() => allocate.mockRestore());
    const bytes = new KeptBytes(PAGE_BYTES);
    const held = Array.from({ length: 12 }, (_, n) => bytes.keep(filled(LARGEST, n)));
    bytes.trim();
    expect(held.map((kept) => kept.read()[0])).toEqual(held.map((_, n) => n));
    for (const kept of held) kept.release();
    expect(allocate).toHaveBeenCalledTimes(2);
    bytes.trim();
    for (let n = 0; n < 12; n += 1) bytes.keep(filled(LARGEST, n));
    expect(allocate).toHaveBeenCalledTimes(4);
  });
});
