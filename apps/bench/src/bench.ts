import type { Options } from './command-line.js';
import type { PeerDefinition } from './peers.js';
import { OURS } from './peers.js';
import { printSection } from './report/output.js';
import type { Progress } from './report/progress.js';
import { workSection } from './report/tables.js';
import type { Measurement } from './results.js';
import type { Broker } from './run/broker.js';
import type { Profiles } from './run/child.js';
import { measure } from './run/rounds.js';
import { Stage } from './run/stage.js';
import type { Choice } from './selection.js';
import { contendersOf, type Contender, type Work } from './works/work.js';

const FULL = { rounds: 5, seconds: 1 };
const QUICK = { rounds: 4, seconds: 0.3 };

export interface Schedule {
  readonly rounds: number;
  /** How long a round measures. */
  readonly seconds: number;
}

export const scheduleOf = ({ quick, rounds, seconds }: Options): Schedule => {
  const usual = quick ? QUICK : FULL;
  return { rounds: rounds ?? usual.rounds, seconds: seconds ?? usual.seconds };
};

export interface Run {
  readonly broker: Broker;
  readonly choice: Choice;
  readonly schedule: Schedule;
  readonly progress: Progress;
  /** Of our own processes. */
  readonly profiles: Profiles;
  readonly signal: AbortSignal;
}

const stageOf = ({ broker, schedule, profiles }: Run, work: Work, { id, peer }: Contender): Stage =>
  new Stage({
    broker,
    seconds: schedule.seconds,
    name: `${work.id}.${id}`,
    peer,
    profiles: peer.id === OURS ? profiles : undefined,
  });

/** One work after the other; each table is printed as soon as it is complete. */
export const runWorks = async (run: Run): Promise<readonly Measurement[]> => {
  const { choice, progress, schedule, signal } = run;
  const measurements: Measurement[] = [];
  for (const [index, work] of choice.works.entries()) {
    const contenders = contendersOf(work, choice.peers);
    if (contenders.length === 0) continue;
    progress.begin(`[${index + 1}/${choice.works.length}] ${work.id}`);
    const measurement = await measure(work, contenders, {
      rounds: schedule.rounds,
      stageOf: (contender) => stageOf(run, work, contender),
      onStep: (step) => progress.step(step),
      signal,
    });
    measurements.push(measurement);
    progress.clear();
    printSection(workSection(measurement));
    for (const { contender, failure } of measurement.tracks) {
      if (failure !== undefined) progress.note(`${contender.id} failed at ${work.id}: ${failure}\n`);
    }
  }
  return measurements;
};

export const hasFailures = (measurements: readonly Measurement[]): boolean =>
  measurements.some(({ tracks }) => tracks.some(({ failure }) => failure !== undefined));

export const listOf = ({
  works,
  peers,
}: {
  works: readonly Work[];
  peers: readonly PeerDefinition[];
}): string => {
  const lines = [
    'works:',
    ...works.map(
      ({ id, title, isQuick }) => `  ${id.padEnd(20)} ${title}${isQuick === true ? ' (quick)' : ''}`,
    ),
    'peers:',
    ...peers.map(({ id, title, settings }) => `  ${id.padEnd(20)} ${title}: ${settings}`),
  ];
  return lines.join('\n');
};
