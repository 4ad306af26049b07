import type { Measurement, Track } from '../results.js';
import type { Contender, Round, Sample, Work } from '../works/work.js';
import type { Stage } from './stage.js';

export interface RoundsOptions {
  readonly rounds: number;
  readonly stageOf: (contender: Contender) => Stage;
  /** Told what is measured now. */
  readonly onStep: (step: string) => void;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** A contender while it is measured. */
class Entrant {
  readonly samples: (Sample | undefined)[] = [];
  failure: string | undefined;
  #round: Round | undefined;

  constructor(
    readonly contender: Contender,
    readonly stage: Stage,
  ) {}

  async open(work: Work): Promise<void> {
    await this.#attempt(async () => {
      this.#round = await work.open(this.stage, this.contender);
    });
  }

  async run(round: number): Promise<void> {
    await this.#attempt(async () => {
      this.samples[round] = await this.#round?.();
    });
  }

  async close(): Promise<void> {
    await this.#attempt(() => this.stage.close(this.failure !== undefined));
  }

  /** Whoever fails is left out from there on; the others go on. */
  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.failure ??= error instanceof Error ? error.message : String(error);
    }
  }
}

/** Who begins changes from round to round: A B C, B C A, C A B. */
export const orderOf = <T>(entrants: readonly T[], round: number): readonly T[] => {
  const first = entrants.length === 0 ? 0 : round % entrants.length;
  return [...entrants.slice(first), ...entrants.slice(0, first)];
};

/** Every contender once in each round, so that whatever changes on the machine meanwhile hits all of them. */
export const measure = async (
  work: Work,
  contenders: readonly Contender[],
  { rounds, stageOf, onStep, signal }: RoundsOptions,
): Promise<Measurement> => {
  const entrants = contenders.map((contender) => new Entrant(contender, stageOf(contender)));
  try {
    for (const entrant of entrants) {
      signal.throwIfAborted();
      onStep(`starting ${entrant.contender.id}`);
      await entrant.open(work);
    }
    const count = Math.min(rounds, work.maxRounds ?? Infinity);
    for (let round = 0; round < count; round += 1) {
      for (const entrant of orderOf(entrants, round)) {
        signal.throwIfAborted();
        if (entrant.failure !== undefined) continue;
        onStep(`round ${round + 1}/${count}, ${entrant.contender.id}`);
        await entrant.run(round);
      }
    }
    signal.throwIfAborted();
  } finally {
    await Promise.all(entrants.map((entrant) => entrant.close()));
  }
  return { work, tracks: entrants.map(trackOf) };
};

const trackOf = ({ contender, samples, failure }: Entrant): Track => ({ contender, samples, failure });
