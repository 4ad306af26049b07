import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/compiled.js';

/** What was measured under one fault. Everything but `fault` and `test` is a number, or a text that says what a number can not. */
export interface Measurement {
  /** As the table shows it; with `test` it tells one measurement from another: the last one counts. */
  readonly fault: string;
  /** The file, such as `test/faults/network.spec.ts`. */
  readonly test: string;
  /** Messages that were confirmed to their sender. */
  readonly sent?: number;
  /** Those of them that were handled, each counted once. */
  readonly handled?: number;
  /** How often a handler ran for a message that had been handled. */
  readonly duplicated?: number;
  readonly lost?: number;
  /** Until a message that was sent after the fault was handled. */
  readonly resumeMs?: number;
  readonly [more: string]: string | number | undefined;
}

const FILE = join(ROOT, '.cache/faults.jsonl');

/** Keeps a measurement for `scripts/faults-table.mjs`. */
export const report = (measurement: Measurement): void => {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const rounded = Object.entries(measurement).map(([key, value]) => [
    key,
    typeof value === 'number' ? Math.round(value) : value,
  ]);
  // One write of less than a page: lines of several processes do not mix.
  appendFileSync(FILE, `${JSON.stringify(Object.fromEntries(rounded))}\n`);
};
