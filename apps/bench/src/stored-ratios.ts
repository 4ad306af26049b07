import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Ratios } from './check.js';
import { UsageError } from './command-line.js';
import type { Environment } from './report/environment.js';
import { LIMIT, OURS } from './peers.js';
import { ratioKey, ratiosIn, type Measurement, type Ratio } from './results.js';

/** Short rounds and long ones do not give the same ratios. */
export type Mode = 'quick' | 'full';

interface Stored {
  readonly environment: Environment;
  readonly ratios: Ratios;
}

type File = Partial<Record<Mode, Stored>>;

const OWN_FILE = fileURLToPath(new URL('../ratios.json', import.meta.url));
const DIGITS = 4;

const rounded = (value: number): number => Number(value.toFixed(DIGITS));

/**
 * Only to amqplib alone, and of our variants among each other: what the other peers do is not ours to keep. Processor times
 * are among them. They hardly change when the machine is busy, rates do.
 */
const isKept = ({ of, to }: Ratio): boolean => {
  const [ours, theirs] = [of, to].map((id) => id.split('@')[0]);
  return ours === OURS && (theirs === LIMIT || theirs === OURS);
};

export const ratiosToKeep = (measurements: readonly Measurement[]): Ratios =>
  Object.fromEntries(
    measurements.flatMap((measurement) =>
      ratiosIn(measurement)
        .filter(isKept)
        .map((ratio) => {
          const { rounds, median, spread } = ratio.summary;
          const summary = { rounds, median: rounded(median), spread: rounded(spread) };
          // Where less is better, the other way round: a loss is a smaller ratio.
          return [
            ratioKey(measurement.work, ratio),
            ratio.metric.better === 'more' ? summary : inverse(summary),
          ];
        }),
    ),
  );

const inverse = ({ rounds, median, spread }: Ratios[string]): Ratios[string] => ({
  rounds,
  median: rounded(1 / median),
  spread: rounded(spread / median ** 2),
});

const read = (path: string): File => {
  try {
    // Written by `storeRatios`.
    return JSON.parse(readFileSync(path, 'utf8')) as File;
  } catch (error) {
    throw new UsageError(
      `${path} has no stored ratios: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};

/** @throws {UsageError} there are none */
export const readRatios = (path: string, mode: Mode): Stored => {
  const file = path === '' ? OWN_FILE : path;
  const stored = read(file)[mode];
  if (stored === undefined)
    throw new UsageError(`${file} has no ratios of a ${mode} run; make some with --store`);
  return stored;
};

/** Those of other works and peers, and of the other mode, stay. Returns where they are. */
export const storeRatios = (mode: Mode, environment: Environment, ratios: Ratios): string => {
  let file: File = {};
  try {
    file = read(OWN_FILE);
  } catch {
    // The first ones.
  }
  const merged = { ...file[mode]?.ratios, ...ratios };
  const all = { ...file, [mode]: { environment, ratios: merged } };
  writeFileSync(OWN_FILE, `${JSON.stringify(all, null, 2)}\n`);
  return OWN_FILE;
};
