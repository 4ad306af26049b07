import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hasFailures, listOf, runWorks, scheduleOf } from './bench.js';
import { compare } from './check.js';
import { parseArguments, USAGE, UsageError, type Options } from './command-line.js';
import { PEERS, type PeerDefinition } from './peers.js';
import { environmentOf, type Environment } from './report/environment.js';
import { jsonOf } from './report/json.js';
import { printSection, writeJson, writeMarkdown } from './report/output.js';
import { Progress } from './report/progress.js';
import {
  checkSection,
  environmentSection,
  targetSection,
  workSection,
  type Section,
} from './report/tables.js';
import type { Measurement } from './results.js';
import { Broker } from './run/broker.js';
import { killChildren, type Profiles } from './run/child.js';
import { install } from './run/install.js';
import { runWithBroker } from './run/with-broker.js';
import { choose, type Choice } from './selection.js';
import { ratiosToKeep, readRatios, storeRatios, type Mode } from './stored-ratios.js';
import { targetsIn } from './targets.js';
import { WORKS } from './works/index.js';

const USAGE_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;
const CLOSE_LIMIT_MS = 15_000;

const modeOf = ({ quick }: Options): Mode => (quick ? 'quick' : 'full');

class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Ctrl-C ends the processes of the peers; whatever waits for them fails then, and the queues are taken away. */
const listenForInterruption = (): AbortSignal => {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(INTERRUPTED_EXIT_CODE);
      controller.abort(new Interrupted(`ended by ${signal}`));
      killChildren();
    });
  }
  // Also when we end by an error of our own.
  process.on('exit', killChildren);
  return controller.signal;
};

/** Those that can take part; of the others it is said why not. */
const readyPeers = async (
  peers: readonly PeerDefinition[],
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly PeerDefinition[]> => {
  const ready: PeerDefinition[] = [];
  for (const peer of peers) {
    const problem = await install(peer, { signal, onStep: (step) => progress.note(step) });
    if (problem === undefined) ready.push(peer);
    else progress.note(`${peer.id} is left out; it could not be installed: ${problem}`);
  }
  return ready;
};

interface Outcome {
  readonly environment: Environment;
  readonly peers: readonly PeerDefinition[];
  readonly measurements: readonly Measurement[];
}

/** What follows from the measurements. Returns whether all is well. */
const conclude = (options: Options, { environment, peers, measurements }: Outcome): boolean => {
  const { rounds, seconds } = scheduleOf(options);
  const targets = targetsIn(measurements);
  const ratios = ratiosToKeep(measurements);
  const comparisons =
    options.check === undefined ? [] : compare(readRatios(options.check, modeOf(options)).ratios, ratios);
  const extra: Section[] = [
    ...(targets.length === 0 ? [] : [targetSection(targets)]),
    ...(comparisons.length === 0 ? [] : [checkSection(comparisons)]),
  ];
  extra.forEach(printSection);
  if (options.json !== undefined)
    writeJson(options.json, jsonOf({ environment, rounds, seconds, peers, measurements }));
  if (options.markdown !== undefined) {
    const run = environmentSection(environment, peers, `${rounds} of ${seconds} s`);
    writeMarkdown(options.markdown, [run, ...measurements.map(workSection), ...extra]);
  }
  if (options.store) console.log(`stored in ${storeRatios(modeOf(options), environment, ratios)}`);
  if (options.check !== undefined && comparisons.length === 0) {
    console.error('none of the stored ratios was measured: nothing was compared');
    return false;
  }
  return !hasFailures(measurements) && !comparisons.some(({ verdict }) => verdict === 'loss');
};

/** They are there when the processes write to them. */
const foldersOf = ({ profile, allocations }: Options): Profiles => {
  for (const folder of [profile, allocations])
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
  return { cpu: profile, allocations };
};

const runBench = async (options: Options, choice: Choice, url: string): Promise<boolean> => {
  // Before anything is measured that would then be compared with nothing.
  if (options.check !== undefined) readRatios(options.check, modeOf(options));
  const signal = listenForInterruption();
  const progress = new Progress();
  const peers = await readyPeers(choice.peers, progress, signal);
  const schedule = scheduleOf(options);
  const broker = await Broker.connect(url);
  try {
    const environment = environmentOf(broker.version);
    printSection(environmentSection(environment, peers, `${schedule.rounds} of ${schedule.seconds} s`));
    const measurements = await runWorks({
      broker,
      choice: { ...choice, peers },
      schedule,
      progress,
      profiles: foldersOf(options),
      signal,
    });
    return conclude(options, { environment, peers, measurements });
  } finally {
    progress.clear();
    setTimeout(() => process.exit(INTERRUPTED_EXIT_CODE), CLOSE_LIMIT_MS).unref();
    await broker.close();
  }
};

const main = async (argv: readonly string[]): Promise<number> => {
  const options = parseArguments(argv);
  const all = { works: WORKS, peers: PEERS };
  if (options.help) console.log(USAGE);
  else if (options.list) console.log(listOf(all));
  else {
    const choice = choose(all, options);
    const { POSTAGE_URL: url } = process.env;
    if (!url) return runWithBroker(fileURLToPath(import.meta.url), argv);
    return (await runBench(options, choice, url)) ? 0 : 1;
  }
  return 0;
};

const exitCodeOf = (error: unknown): number => {
  if (error instanceof UsageError) return USAGE_EXIT_CODE;
  return error instanceof Interrupted ? INTERRUPTED_EXIT_CODE : 1;
};

// Whoever has read enough may go.
process.stdout.on('error', () => undefined);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UsageError ? error.message : String(error));
  process.exitCode = exitCodeOf(error);
}
